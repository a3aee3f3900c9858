"""What scikit-learn asks of a classifier of two classes: what is checked of X and y, and the names that are kept."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils import Tags
from sklearn.utils.multiclass import check_classification_targets, type_of_target
from sklearn.utils.validation import _check_sample_weight, column_or_1d, validate_data

from training.model.encoding import table_of
from training.samples.log_odds import Array


class Estimator(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """A classifier that takes numeric arrays, pandas frames of mixed types, and feature tables (pyarrow)."""

    classes_: NDArray[Any]

    def _checked(self, X: Any, y: Any) -> tuple[pa.Table, NDArray[Any]]:
        """Features as a table and y as a vector, for fit; checks what scikit-learn checks."""
        if isinstance(X, pa.Table):
            self.feature_names_in_, self.n_features_in_ = np.array(X.column_names, object), X.num_columns
            return X, np.asarray(y)
        if _is_mixed(X):
            validate_data(self, X, skip_check_array=True)
            return table_of(X), column_or_1d(y)
        X, y = validate_data(self, X, y, dtype="numeric", ensure_all_finite="allow-nan")
        return _plain_table(X), y

    def _two_classes(self, target: NDArray[Any], sample_weight: ArrayLike | None) -> tuple[NDArray[np.int64], Array]:
        """Codes 0 and 1 of the target, whose classes are kept, and the rows' weights. Raises ValueError."""
        check_classification_targets(target)
        if (kind := type_of_target(target, input_name="y")) != "binary":
            raise ValueError(f"Only binary classification is supported. The type of the target is {kind}.")
        self.classes_, label = np.unique(target, return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError(f"y holds 1 class, {self.classes_.tolist()[0]!r}; two are needed")
        return label, _check_sample_weight(sample_weight, label, dtype=np.float64, ensure_non_negative=True)

    def _table(self, X: Any) -> pa.Table:
        if isinstance(X, pa.Table):
            return X
        if _is_mixed(X):
            validate_data(self, X, skip_check_array=True, reset=False)
            return table_of(X)
        return _plain_table(validate_data(self, X, dtype="numeric", ensure_all_finite="allow-nan", reset=False))

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.classifier_tags.multi_class = False
        return tags


def _is_mixed(X: Any) -> bool:
    return isinstance(X, pd.DataFrame) and not all(pd.api.types.is_numeric_dtype(kind) for kind in X.dtypes)


def _plain_table(matrix: NDArray[Any]) -> pa.Table:
    names = [f"column_{i}" for i in range(matrix.shape[1])]
    columns = [pa.array(np.ascontiguousarray(column, dtype=np.float32), from_pandas=False) for column in matrix.T]
    return pa.table(columns, names=names)
