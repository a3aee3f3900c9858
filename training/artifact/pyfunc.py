"""MLflow's way in: a model from code, so that nothing is pickled; it scores with the code inside the artifact."""

import hashlib
import json
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import pandas as pd
from mlflow.models import set_model
from mlflow.pyfunc import PythonModel, PythonModelContext


class LeadConversion(PythonModel):  # type: ignore[misc]
    """Feature columns in, one row per moment; calibrated probability of conversion out."""

    def load_context(self, context: PythonModelContext) -> None:
        """Loads the artifact; its code, whose sha256 is compared here, compares that of every other file."""
        folder = Path(context.artifacts["model"])
        code = json.loads((folder / "model.json").read_text(encoding="utf-8"))["code"]
        if hashlib.sha256((folder / "standalone.py").read_bytes()).hexdigest() != code["sha256"]:
            raise ImportError(f"{folder}/standalone.py is damaged: its sha256 is not the one in model.json")
        spec = spec_from_file_location("leadscore_standalone", folder / "standalone.py")
        if spec is None or spec.loader is None:
            raise ImportError(f"{folder} holds no standalone.py; it is no leadscore artifact")
        standalone = module_from_spec(spec)
        spec.loader.exec_module(standalone)
        self.model = standalone.load(folder)

    def predict(
        self, context: PythonModelContext, model_input: pd.DataFrame, params: dict[str, Any] | None = None
    ) -> pd.DataFrame:
        """A frame with the column `probability`, float64; with a `threshold`, `converts`, int64: 1 from there on."""
        rows = [
            {name: value for name, value in row.items() if not pd.isna(value)}
            for row in model_input.to_dict(orient="records")
        ]
        probability = self.model.predict(self.model.encode(rows))
        threshold = (params or {}).get("threshold")
        if threshold is None:
            return pd.DataFrame({"probability": probability})
        return pd.DataFrame({"converts": (probability >= threshold).astype("int64")})


set_model(LeadConversion())
