"""A study fetched from an archive that speaks DICOMweb (PS3.18): listed by QIDO-RS, retrieved by WADO-RS."""
