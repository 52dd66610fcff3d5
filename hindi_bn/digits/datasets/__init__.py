"""The data sets: a file each, with a `DATA_SET` (see `hindi_bn.digits.dataset.DataSet`)."""
