"""SHAP values from LightGBM's C interface; its Python package would bring pandas and scikit-learn along, 100 MB."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from training.artifact.standalone import ArtifactError
from training.samples.log_odds import Array

FLOAT64, ROW_MAJOR, CONTRIBUTIONS = 1, 1, 3
ONE_THREAD = b"num_threads=1"


class Explained:
    """Boosters that explain; safe to use from several threads, because each call brings its own buffers."""

    def __init__(self, texts: Sequence[str], width: int) -> None:
        self.width = width
        self.boosters = [Booster(text, width) for text in texts]

    def contributions(self, matrix: Array) -> Array:
        """float64[n, features + 1]: SHAP values (Lundberg et al. 2018) averaged over the boosters, the base last."""
        return np.asarray(np.mean([booster.contributions(matrix) for booster in self.boosters], axis=0))


class Booster:
    """One LightGBM model in memory, freed with the object. Raises ArtifactError for a text that is none."""

    def __init__(self, text: str, width: int) -> None:
        self.handle, iterations, features = ctypes.c_void_p(), ctypes.c_int(), ctypes.c_int()
        made = _library().LGBM_BoosterLoadModelFromString(
            text.encode(), ctypes.byref(iterations), ctypes.byref(self.handle)
        )
        _check(made)
        _check(_library().LGBM_BoosterGetNumFeature(self.handle, ctypes.byref(features)))
        if features.value != width:
            raise ArtifactError(f"a booster reads {features.value} features, model.json names {width}; train again")

    def contributions(self, matrix: Array) -> Array:
        """float64[n, features + 1] for the rows of a matrix."""
        matrix = np.ascontiguousarray(matrix, dtype=np.float64)
        out, written = np.empty((len(matrix), matrix.shape[1] + 1)), ctypes.c_int64()
        _check(
            _library().LGBM_BoosterPredictForMat(
                self.handle, _at(matrix), FLOAT64, len(matrix), matrix.shape[1], ROW_MAJOR, CONTRIBUTIONS, 0, -1,
                ONE_THREAD, ctypes.byref(written), _at(out),
            )
        )  # fmt: skip
        if written.value != out.size:
            raise ArtifactError(f"a booster gave {written.value} numbers instead of {out.size}; train again")
        return out

    def __del__(self) -> None:
        if self.handle:
            _library().LGBM_BoosterFree(self.handle)


def _at(array: Array) -> ctypes.c_void_p:
    return ctypes.c_void_p(array.ctypes.data)


def _check(status: int) -> None:
    if status:
        raise ArtifactError(f"LightGBM refuses: {_library().LGBM_GetLastError().decode(errors='replace')[:200]}")


@cache
def _library() -> ctypes.CDLL:
    spec = find_spec("lightgbm")
    if spec is None or not spec.submodule_search_locations:
        raise ArtifactError("LightGBM is not installed; install requirements.lock")
    library = ctypes.CDLL(str(next(Path(spec.submodule_search_locations[0]).glob("lib/lib_lightgbm.*"))))
    library.LGBM_GetLastError.restype = ctypes.c_char_p
    return library
