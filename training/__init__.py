"""From a training set to a registered, calibrated model."""
