"""MNIST: handwritten Western digits, 28 x 28 pixels."""

from hindi_bn.digits.torchvision_set import TorchvisionSet

DATA_SET = TorchvisionSet("mnist", "MNIST", image_size=28, torchvision_name="MNIST")
