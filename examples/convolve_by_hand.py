# %% [markdown]
# # Convolve by hand
#
# **Goal.** Write a convolution yourself, in one dimension and in two, and see what fixed filters make of a real
# photograph of a cell.
#
# **What you will see.** A filter is a small table of numbers. It is laid over every place of a signal; the numbers
# below are multiplied with it and added up. That is all. With nine well-chosen numbers an image is blurred, sharpened,
# or reduced to its edges. A network does the same, but finds the numbers itself.

# %%
import matplotlib.pyplot as plt
import numpy as np
from scipy import ndimage
from skimage import data

from bioconv.conv.arithmetic import output_size
from bioconv.conv.filters import FILTERS, apply_filter, gaussian, laplacian, sobel

# %% [markdown]
# ## One dimension
#
# A step, and a filter that takes the right neighbour less the left one. Three numbers under the filter give one number
# of the result.

# %%
signal = np.array([0, 0, 0, 1, 1, 1, 1, 0, 0], float)
difference = np.array([-1, 0, 1], float)


def convolve_1d(signal, kernel):
    """Lay the kernel over every place where it fits; multiply and add."""
    places = len(signal) - len(kernel) + 1
    result = np.zeros(places)
    for place in range(places):
        for tap in range(len(kernel)):
            result[place] += kernel[tap] * signal[place + tap]
    return result


edges = convolve_1d(signal, difference)
print("signal ", signal.astype(int))
print("result ", edges.astype(int))

# %% [markdown]
# The result is 0 where nothing changes, 1 at the way up and -1 at the way down: the filter finds edges, and their
# direction.
#
# Two things to notice. The result is **shorter**: a filter of 3 fits in 9 numbers at 7 places only. And the filter was
# **not flipped**. Mathematicians flip it and call what we did a correlation. Networks never flip, since they learn the
# numbers anyway; the word convolution has stuck.

# %%
print("length of the result:", len(edges), "and by the formula:", output_size(len(signal), kernel=3))
print("flipped, as mathematics has it:", np.convolve(signal, difference, "valid").astype(int))

# %% [markdown]
# ## Two dimensions
#
# The same with two more loops. The image is a cell seen under a microscope, from scikit-image. We take the part around
# the cell, and every second pixel: it is a smooth image.

# %%
cell = data.cell()[275:475:2, 330:530:2].astype(float)


def convolve_2d(image, kernel):
    """Lay the kernel over every place of the image where it fits."""
    rows, columns = image.shape[0] - kernel.shape[0] + 1, image.shape[1] - kernel.shape[1] + 1
    result = np.zeros((rows, columns))
    for row in range(rows):
        for column in range(columns):
            result[row, column] = (kernel * image[row : row + kernel.shape[0], column : column + kernel.shape[1]]).sum()
    return result


print(sobel(1))
by_hand = convolve_2d(cell, sobel(1))
print("image", cell.shape, "-> result", by_hand.shape)

# %% [markdown]
# This is Sobel's filter: right less left, as before, but averaged a little over three rows. `apply_filter` does the
# same and keeps the size of the image: it mirrors the image at its borders, so that there is something under the filter
# everywhere. Inside, both must agree. So must SciPy.

# %%
whole = apply_filter(cell, sobel(1))
print("largest difference to the loop:", np.abs(whole[1:-1, 1:-1] - by_hand).max())
print("largest difference to SciPy:   ", np.abs(whole - ndimage.sobel(cell, axis=1)).max())

# %% [markdown]
# ## A gallery of filters

# %%
shown = ("identity", "box", "gaussian", "sharpen", "sobel-horizontal", "sobel-vertical", "laplacian")
results = {name: apply_filter(cell, FILTERS[name]()) for name in shown}
results["edges in any direction"] = np.hypot(results["sobel-horizontal"], results["sobel-vertical"])

figure, panels = plt.subplots(2, 4, figsize=(8.4, 4.6), layout="constrained")
for axes, (name, result) in zip(panels.flat, results.items(), strict=True):
    signed = result.min() < -0.1 * result.max()
    reach = np.percentile(np.abs(result), 99.5)
    limits = {"cmap": "RdBu_r", "vmin": -reach, "vmax": reach} if signed else {"cmap": "gray"}
    limits["interpolation"] = "nearest"
    axes.imshow(result, **limits)
    axes.set_title(name, fontsize="small")
    axes.axis("off")
figure.suptitle("What fixed filters make of a cell (red: positive, blue: negative)")
plt.show()

# %% [markdown]
# What the numbers of a filter add up to says what becomes of a grey, even area: 1 keeps it (identity, box, Gaussian,
# sharpen), 0 makes it vanish (Sobel, Laplacian).

# %%
print("filter             sum of numbers  mean of the image")
for name in shown:
    print(f"{name:18s} {FILTERS[name]().sum():14.1f} {results[name].mean():18.1f}")

# %% [markdown]
# ## Filters after filters
#
# A filter of 3 x 3 sees 9 pixels. Do it again and each number depends on 5 x 5 pixels, and so on: this is how a network
# of small filters comes to see large things. Two blurs by Gaussians are one blur by a wider one: the squares of their
# widths add up (3² + 4² = 5²).

# %%
twice = apply_filter(apply_filter(cell, gaussian(3.0)), gaussian(4.0))
once = apply_filter(cell, gaussian(5.0))
print(f"grey levels of the image: {cell.min():.0f} to {cell.max():.0f}")
print(f"blurred twice against once, away from the borders: {np.abs(twice - once)[30:-30, 30:-30].max():.4f} at most")

# %% [markdown]
# Noise is where filters differ. The Laplacian takes differences twice, and noise is all differences.

# %%
noisy = cell + np.random.default_rng(0).normal(0, 5, cell.shape)
rise = {}
for name, kernel in (("box", FILTERS["box"]()), ("gaussian", gaussian(1.0)), ("laplacian", laplacian())):
    rise[name] = (apply_filter(noisy, kernel) - apply_filter(cell, kernel)).std() / 5
    print(f"{name:10s} makes the noise {rise[name]:.2f} times as strong")

# %% [markdown]
# The factor is the root of the sum of squared numbers in the filter: for the box √(9 · (1/9)²) = 1/3.
#
# ## What to check
#
# - The loop, `apply_filter` and SciPy agree to the last digit. If your own loop does not, look at the borders first,
#   then at the flip.
# - The size of a result: a filter of 3 takes one pixel from each side, unless something is put around the image.
#
# ## What not to conclude
#
# - An edge is a change of brightness, not the border of a cell. Dust, uneven light and the grain of the cell have edges
#   too.
# - Sharpening adds no information. It makes differences larger, those of noise as well: never measure brightness in a
#   sharpened image.
# - What happens within a filter's reach of the border comes from pixels that were made up.
#
# ## Exercises
#
# 1. Write a filter that answers to diagonal edges, and show it beside Sobel's.
# 2. Blur along rows with `gaussian(2.0, ndim=1)[None, :]` and then along columns. Compare with `gaussian(2.0)`. Count
#    the multiplications of both.
# 3. Take the Laplacian of the blurred image instead of the image. At which width does the border of the cell come out
#    best?
#
# ## In practice
#
# All filters are in `bioconv.conv.filters`; [Networks](../docs/networks.md) has what is built from learned ones. To
# find cells, do not tune filters by hand:
#
#     bioconv segment images/ --model nuclei
#
# Next: [a PWM is a convolution](pwm_is_a_convolution.py).
