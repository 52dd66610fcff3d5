"""Fashion-MNIST: ten kinds of clothes, 28 x 28 pixels."""

from hindi_bn.digits.torchvision_set import TorchvisionSet

DATA_SET = TorchvisionSet(
    "fashion-mnist", "Fashion-MNIST", image_size=28, torchvision_name="FashionMNIST"
)
