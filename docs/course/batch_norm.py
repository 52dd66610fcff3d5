# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Batch norm, from handwritten digits to a verdict
#
# You compute batch norm by hand, train a network with it and without it, and guess what became of
# statements about batch norm when they were tested.
#
# **Two routes.** Each heading says how long it takes.
#
# - **20 minutes**: the sections 1, 2, 4, 6 and 8. Skip what is marked *60-minute route*.
# - **60 minutes**: everything, in this order.
#
# **Exercises.** Where you see `...`, put your answer in its place and run the cell: it tells you
# whether you are right, and if not, what may be wrong. `checks.solution("means")` shows the
# solution of the exercise `means`. Nothing later needs your answers, so that you can leave one
# out.
#
# You should know what a convolution, a loss and an epoch are.

# %%
import json
import os
import tempfile
from pathlib import Path

import checks
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch
from safetensors.torch import load_file
from scipy import stats
from torch import nn

import hindi_bn
from hindi_bn.networks import build

torch.manual_seed(0)
HERE = Path.cwd().resolve()
ROOT = next(p for p in (HERE, *HERE.parents) if (p / "results/claims").is_dir())
DATA = os.environ.get("HINDI_BN_DATA", ROOT / "data")
RUNS = Path(tempfile.mkdtemp(prefix="course-"))  # for what you train; not needed later
WITHOUT, WITH = "tab:orange", "tab:blue"  # the colours of all figures

# %% [markdown]
# ## 1. The digits (2 minutes)
#
# Hindi digits, 32 x 32 pixels, white on black: 17,000 to train on and 3,000 to test. The cell takes
# the *stand-in*: digits that a program draws, so that it works without a download (the first time
# it draws for half a minute). For the real ones write `"digits"` in place of `"stand-in"`; they are
# fetched if they are not there yet.

# %%
digits = hindi_bn.load_digits(DATA, "stand-in", fetch=True)
print(digits.title, tuple(digits.train_images.shape))

figure, panels = plt.subplots(1, 10, figsize=(10, 1.3))
for digit, panel in enumerate(panels):
    panel.imshow(digits.test_images[digits.test_labels == digit][0].numpy(), cmap="gray")
    panel.set_title(digit)
    panel.axis("off")
plt.show()

# %% [markdown]
# There are as many images of each digit: who guesses is right in 10 % of them. Keep that in mind
# when you see an accuracy.

# %% [markdown]
# ## 2. Batch norm by hand (7 minutes)
#
# A layer gives two features for each of five images. The batch, as (batch, features):

# %%
x = torch.tensor([[0.0, 10.0], [3.0, 10.0], [6.0, 40.0], [9.0, 20.0], [12.0, 20.0]])
x

# %% [markdown]
# Batch norm makes every feature alike in scale, over the images of the batch. For each feature by
# itself, where m is the number of its values (here 5):
#
# $$\mu = \frac{1}{m}\sum_i x_i \qquad
# \sigma^2 = \frac{1}{m}\sum_i (x_i - \mu)^2 \qquad
# \hat{x}_i = \frac{x_i - \mu}{\sqrt{\sigma^2 + \epsilon}} \qquad
# y_i = \gamma \hat{x}_i + \beta$$
#
# $\epsilon$ is small (0.00001 in torch) and keeps the root away from 0. $\gamma$ and $\beta$ are
# learned, one of each per feature; they begin at 1 and 0.
#
# **Exercise `means`.** In your head: the mean of each feature.

# %% tags=["exercise"]
my_means = [..., ...]
checks.check("means", my_means)

# %% [markdown]
# **Exercise `variances`.** And the variance of each, by the formula above.

# %% tags=["exercise"]
my_variances = [..., ...]
checks.check("variances", my_variances)

# %% [markdown]
# There are two variances in this lesson. This one divides by m and is called *biased*. Divided by
# m - 1 it would be *unbiased*: an estimate, right on average, of the variance of all images. The
# batch is normalised with the biased one. `x.var(dim=0)` gives the unbiased one, a common mistake.
#
# **Exercise `batch_norm`.** Now the whole layer, as a function of x (batch, features).


# %% tags=["exercise"]
def my_batch_norm(x, gamma, beta, eps=1e-5):
    return ...


checks.check("batch_norm", my_batch_norm)

# %% [markdown]
# This is what torch's layer makes of the batch. Both features have a mean of 0 and a (biased)
# standard deviation of 1 now, though one varied more than twice as much as the other.

# %%
y = nn.BatchNorm1d(2)(x)
y = y.detach().numpy()
print(y.round(3))
print("mean", y.mean(axis=0).round(4), "std", y.std(axis=0).round(4))

# %% [markdown] tags=["60"]
# ## 3. What stands in small print (9 minutes; 60-minute route)
#
# **Exercise `eps`.** A feature hardly varies: its variance is 0.000001, smaller than $\epsilon$ =
# 0.00001. Which standard deviation has the normalised feature (before $\gamma$ and $\beta$)?

# %% tags=["60", "exercise"]
my_std = ...
checks.check("eps", my_std)

# %% [markdown] tags=["60"]
# So the output's standard deviation is 1 only where the variance is large beside $\epsilon$. A
# feature without any spread becomes 0, not "not a number".
#
# **Feature maps.** After a convolution a batch has the shape (batch, channels, height, width). All
# pixels of a channel were made by the same filter, so they are normalised together: one mean and
# one variance *per channel*.
#
# **Exercise `feature_maps`.** Over which axes (0 to 3) is the mean taken? And how many values has a
# channel, m, in a batch of 32 images with maps of 32 x 32?

# %% tags=["60", "exercise"]
my_axes, my_count = ..., ...
checks.check("feature_maps", my_axes, my_count)

# %% tags=["60"]
maps = torch.randn(32, 16, 32, 32) * 3 + 1
mean = maps.mean(dim=(0, 2, 3), keepdim=True)
variance = maps.var(dim=(0, 2, 3), correction=0, keepdim=True)
by_hand = (maps - mean) / torch.sqrt(variance + 1e-5)
print("largest difference from torch:", (by_hand - nn.BatchNorm2d(16)(maps)).abs().max().item())

# %% [markdown] tags=["60"]
# **What the layer forgets.** A convolution or a linear layer stands before batch norm. Multiply all
# of its weights by ten.
#
# **Exercise `scale`.** Are the outputs of batch norm then "the same" or "ten times"? And the
# gradient of the loss by these weights: "the same", "ten times" or "a tenth"?

# %% tags=["60", "exercise"]
my_outputs, my_gradients = ..., ...
checks.check("scale", my_outputs, my_gradients)

# %% [markdown] tags=["60"]
# See for yourself. The bias before batch norm is forgotten altogether: the mean takes it away.


# %% tags=["60"]
def output_and_gradient(factor, shift=0.0):
    """Return the output behind batch norm and the gradient by the weights before it."""
    torch.manual_seed(1)
    inputs, target = torch.randn(64, 8), torch.randn(64, 4)
    linear = nn.Linear(8, 4)
    with torch.no_grad():
        linear.weight *= factor
        linear.bias += shift
    output = nn.BatchNorm1d(4)(linear(inputs))
    ((output - target) ** 2).mean().backward()
    return output, linear.weight.grad


output, gradient = output_and_gradient(1)
for factor, shift in ((10, 0), (1, 100)):
    other, steepness = output_and_gradient(factor, shift)
    ratio = (steepness.norm() / gradient.norm()).item()
    change = (other - output).abs().max().item()
    print(f"weights x {factor}, bias + {shift}: outputs {change:.4f} apart, gradient x {ratio:.3f}")

# %% [markdown] tags=["60"]
# Large weights therefore get small steps: the network steers its own learning rate. This is one
# reason why rates that are too high without batch norm work with it.

# %% [markdown]
# ## 4. Training and predicting (4 minutes)
#
# In training the statistics are those of the batch. So a prediction would depend on which images
# happen to come with yours, and an image that comes alone has no batch. Therefore the layer keeps
# **running averages** of mean and variance while it trains (*train mode*), and uses them, and not
# the batch, when it predicts (*eval mode*; torch: `network.eval()`).
#
# They begin at mean 0 and variance 1. After each batch, with torch's momentum of 0.1:
#
#     running = 0.9 * running + 0.1 * the batch's
#
# What enters the running variance is the **unbiased** one (divided by m - 1), because it is to
# speak for all images, not for the batch.
#
# **Exercise `running`.** The layer trains on the batch of section 2, once. Its means were 6 and 20;
# the sums of the squared distances were 90 and 600. What are the running averages then?

# %% tags=["exercise"]
my_running_mean, my_running_variance = [..., ...], [..., ...]
checks.check("running", my_running_mean, my_running_variance)

# %% [markdown]
# Now the same image in both modes, and alone. Before you run the cell: what will happen to an image
# that trains alone?

# %%
layer = nn.BatchNorm1d(2)  # train mode
print("train mode, in its batch:", layer(x)[0].detach().numpy().round(3))
print("running averages:", layer.running_mean.numpy(), layer.running_var.numpy().round(3))
layer.eval()
print("eval mode, in its batch: ", layer(x)[0].detach().numpy().round(3))
print("eval mode, alone:        ", layer(x[:1])[0].detach().numpy().round(3))
layer.train()
try:
    layer(x[:1])
except ValueError as error:
    print("train mode, alone:       ", error)

# %% [markdown]
# A single value less its own mean is 0, whatever it was: nothing could be learned from it, so torch
# refuses. (Behind a convolution one image is enough: each channel has all of its pixels.) In eval
# mode the answer is the same in every company.
#
# After one batch the averages are still far from the batch's 6 and 20: this layer predicts badly.

# %% [markdown] tags=["60"]
# ## 5. Running averages, closer (6 minutes; 60-minute route)
#
# **Exercise `evaluation`.** In eval mode, after that one batch: what does the layer give for the
# first image's first feature, 0? (The running averages are 0.6 and 3.15.)

# %% tags=["60", "exercise"]
my_output = ...
checks.check("evaluation", my_output)

# %% [markdown] tags=["60"]
# **Exercise `momentum`.** After how many batches does less than 1 % of the averages come from where
# they began?

# %% tags=["60", "exercise"]
my_batches = ...
checks.check("momentum", my_batches)

# %% [markdown] tags=["60"]
# Beware of the word: in torch momentum is the weight of the *new* batch (0.1). In Keras and in many
# texts it is the weight of the *old* average: torch's 0.1 is their 0.9.
#
# A smaller momentum averages over more batches and is slower. Here are batches of a feature whose
# mean over all images is 5:

# %% tags=["60"]
batches = [torch.randn(16, 1) * 4 + 5 for _ in range(100)]
for momentum, colour in ((0.01, "tab:green"), (0.1, "black"), (0.5, "tab:pink")):
    layer, path = nn.BatchNorm1d(1, momentum=momentum), []
    for batch in batches:
        layer(batch)
        path.append(layer.running_mean.item())
    plt.plot(np.arange(1, 101), path, color=colour, label=f"momentum {momentum}")
plt.axhline(5, color="grey", linestyle=":")
plt.xlabel("batch")
plt.ylabel("running mean")
plt.legend()
plt.show()

# %% [markdown]
# ## 6. Train it (3 minutes)
#
# Three convolutions, without batch norm and with it behind each convolution. Both start from the
# same weights and see the same batches; both have the rate of the published study, 0.001. To save
# time we take 3,400 images and three epochs.
#
# Before you run the cell: by how many points will one be ahead of the other on the test images?

# %%
my_guess = "?"  # points, with batch norm minus without


def train_both(rate):
    """Train both networks; return their records."""
    study = hindi_bn.load_study(
        "quick", data=digits.name, epochs=3, train_images=3400, lr=rate, threads=1, numerics="auto"
    )
    return hindi_bn.train(study, digits=digits, out=RUNS / f"{rate}", overwrite=True)


def draw(panel, records, title):
    """Draw the test accuracy after each epoch."""
    for record, colour, name in zip(
        records, (WITHOUT, WITH), ("without BN", "with BN"), strict=True
    ):
        history = record.history
        panel.plot(history.epoch + 1, 100 * history.test_accuracy, "o-", color=colour, label=name)
    panel.set(
        title=title, xlabel="epoch", ylabel="test accuracy (%)", ylim=(0, 100), xticks=(1, 2, 3)
    )
    panel.legend()


without, with_bn = train_both(0.001)
figure, panel = plt.subplots(figsize=(5, 3.5))
draw(panel, [without, with_bn], f"learning rate 0.001\n{digits.title}")
plt.show()
last = [100 * record.history.test_accuracy.iloc[-1] for record in (without, with_bn)]
print(f"{last[1] - last[0]:.1f} points between them. Your guess: {my_guess}")

# %% [markdown]
# A large difference. But it is *one* run each, and a rate that was chosen once for both.

# %% [markdown] tags=["60"]
# ## 7. Is it batch norm, or the learning rate? (10 minutes; 60-minute route)
#
# Train both at ten times the rate. What do you expect of the difference: larger, the same, smaller?

# %% tags=["60"]
faster = train_both(0.01)
figure, panels = plt.subplots(1, 2, figsize=(9, 3.5))
draw(panels[0], [without, with_bn], "learning rate 0.001")
draw(panels[1], faster, "learning rate 0.01")
figure.suptitle(digits.title)
figure.tight_layout()
plt.show()

# %% [markdown] tags=["60"]
# Compare what the rate adds to each network: the one without batch norm gains far more. So a part
# of the first gap was a rate too small for it. "Batch norm is better" and "batch norm forgives a
# small rate" are two statements; whoever compares at one rate cannot tell them apart.
#
# **Does an answer depend on its company?** In eval mode the order of the images cannot matter. In
# train mode each batch is normalised by itself: once batches of all digits, once batches of one
# digit each. We ask two networks with batch norm: your three convolutions, and one with a hidden
# *linear* layer, which trains in a second. For which of them will it matter more, and why?

# %% tags=["60"]
study = hindi_bn.load_study(
    "mlp", data=digits.name, epochs=3, train_images=3400, scaling="unit", threads=1, numerics="auto"
)
(linear_bn,) = hindi_bn.train(study, ["bn"], digits=digits, out=RUNS, overwrite=True)
one_digit = torch.arange(3000)  # the test images stand in the order of their digits
mixed = torch.randperm(3000)


def accuracy(record, order, train_mode):
    """Return the accuracy in %, with the test images in batches of 30 in this order."""
    network = build(record.run.network, norm="batch")
    network.load_state_dict(load_file(record.folder / "weights.safetensors"))
    network.train(train_mode)
    with torch.no_grad():
        batches = (digits.test_images[order, None] / 255).split(30)
        answers = torch.cat([network(batch).argmax(dim=1) for batch in batches])
    return 100 * (answers == digits.test_labels[order]).float().mean().item()


found = {
    name: {
        f"{'train' if train_mode else 'eval'} mode, {batches}": accuracy(record, order, train_mode)
        for train_mode in (False, True)
        for batches, order in (("mixed batches", mixed), ("one digit a batch", one_digit))
    }
    for name, record in (("convolutions", with_bn), ("linear layer", linear_bn))
}
print(pd.DataFrame(found).round(1))

# %% [markdown] tags=["60"]
# Behind a convolution a channel has 30 x 1,024 values in such a batch, and ink looks much alike in
# all digits: the statistics hardly change. A unit of the linear layer has 30 values, one per
# image, and when all images show the same digit, what they have in common is taken away: just what
# tells the digit. To forget `network.eval()` is a common mistake with batch norm. On mixed batches
# you would hardly notice it.

# %% [markdown]
# ## 8. Guess the verdict (4 minutes)
#
# What is said about batch norm can be tested: a *claim* says what is measured and from which value
# on it holds. Networks with and without it are trained in pairs, one pair per *seed* (same initial
# weights, same batches), on the real digits, and the differences are averaged. The verdicts:
#
# | verdict | meaning |
# |---|---|
# | supported | all that the claim says is shown to hold |
# | opposite found | shown to fail, and by an effect the other way |
# | not as stated | shown to fail, but not the other way: a size or a condition does not hold |
# | undecided | so many seeds show neither |

# %%
results = [result for _, result in hindi_bn.read_claims(out=ROOT / "results") if result]
asked = checks.choose_claims(results, 3)
checks.ask(asked)

# %%
my_verdicts = ["?", "?", "?"]  # "supported", "opposite found", "not as stated" or "undecided"
checks.reveal(asked, my_verdicts)

# %% [markdown]
# A verdict is shown where you have guessed. In brackets stands the interval of the mean
# difference. It is wider than a 95 % interval, because many claims are tested: of twenty effects
# that are not there, one 95 % interval misses zero on average. Verdicts of *pilot* seeds were seen
# before the rule was fixed; those of fresh seeds weigh more. [docs/claims.md](../claims.md) has
# all claims, [docs/statistics.md](../statistics.md) the rules.
#
# **End of the 20-minute route.** What to keep:
#
# - Batch norm takes mean and (biased) variance of each channel over the batch, in train mode alone.
# - Eval mode uses running averages; they hold the unbiased variance.
# - One run with and one without is not a result. Ask for seeds, intervals, and the rate.

# %% [markdown] tags=["60"]
# ## 9. Be the judge (15 minutes; 60-minute route)
#
# The runs behind the verdicts are kept as rows of *evidence*. First: is it in order?

# %% tags=["60"]
verified = hindi_bn.verify_evidence(out=ROOT / "results")
print(verified.rows, "runs,", len(verified.problems), "problems")
rows = pd.concat(map(pd.read_parquet, sorted((ROOT / "results/evidence").glob("*.parquet"))))


def accuracies(run):
    """Return the test accuracies in % of the runs with these settings: a row a seed."""
    wanted = {"numerics": "engine", "run": run}  # all else as in the published study
    settings = rows.settings.map(lambda text: {**json.loads(text), "seed": None})
    on_digits = rows.data.map(lambda text: json.loads(text)["name"] == "digits")
    chosen = rows[on_digits & settings.map(lambda one: one == {**wanted, "seed": None})]
    return 100 * pd.DataFrame(chosen.test_accuracy.to_list(), index=chosen.seed).sort_index()


pairs = {"without": accuracies({}), "with": accuracies({"norm": {"name": "batch"}})}
differences = (pairs["with"] - pairs["without"]).dropna()  # (seeds, epochs)
print(len(differences), "seeds,", differences.shape[1], "epochs")

# %% tags=["60"]
for name, colour in (("without", WITHOUT), ("with", WITH)):
    plt.plot(range(1, 31), pairs[name].T, color=colour, linewidth=0.8)
    plt.plot([], [], color=colour, label=f"{name} BN")
plt.xlabel("epoch")
plt.ylabel("test accuracy (%)")
plt.title("real digits, all 17,000 training images, a line per seed")
plt.ylim(80, 100)
plt.legend()
plt.show()

# %% [markdown] tags=["60"]
# The published study compares one run with one: 99.1 % against 92.4 %, 6.7 points. What would each
# of these seeds, alone, have told you after its last epoch?

# %% tags=["60"]
print(differences.iloc[:, -1].round(1).to_list())

# %% [markdown] tags=["60"]
# **Exercise `interval`.** Write the 95 % interval of the mean of n differences: mean plus and minus
# t times the standard error. `stats.t.ppf(0.975, n - 1)` is t.


# %% tags=["60", "exercise"]
def my_interval(differences):
    return ...


checks.check("interval", my_interval)

# %% [markdown] tags=["60"]
# The claim asks for more than 0 points, averaged over the last five epochs. Look at the interval,
# choose one of the four verdicts, and only then look at ours.

# %% tags=["60"]
by_seed = differences.iloc[:, -5:].mean(axis=1)
low, high = stats.t.interval(0.95, len(by_seed) - 1, by_seed.mean(), stats.sem(by_seed))
print(f"{by_seed.mean():.2f} points, 95 % interval {low:.2f} to {high:.2f}, n = {len(by_seed)}")
print(f"smallest {by_seed.min():.2f}, largest {by_seed.max():.2f}")

# %% tags=["60"]
my_verdict = "?"
checks.reveal([result for result in results if result.name == "accuracy"], [my_verdict])

# %% [markdown] tags=["60"]
# Now the other claims that have a verdict. How many of them are supported, do you think? Write down
# a number, then your verdicts.

# %% tags=["60"]
more = checks.choose_claims(results, 9)[3:]
checks.ask(more)

# %% tags=["60"]
my_verdicts = ["?"] * len(more)
checks.reveal(more, my_verdicts)

# %% [markdown] tags=["60"]
# **To talk about**
#
# 1. Which verdict surprised you, and what would change your mind: more seeds, another network,
#    other data?
# 2. "Undecided" is not "no effect". What would show that there is none?
# 3. The test images were the same in all runs. What does no interval here speak for?
#
# Go on: `hindi-bn explain` works batch norm through on a batch of digits
# ([docs/explain.md](../explain.md)), and a claim of your own is a file like those in
# [configs/claims](../../configs/claims).
