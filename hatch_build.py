"""Compiles the engine while hindi-bn is being installed or made a wheel."""

import importlib.util
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

ENGINE = "hindi_bn/engine"


class EngineHook(BuildHookInterface):
    """Puts the engine's libraries into a wheel, or beside the sources of an editable installation.

    A wheel with libraries is one for this platform. Where they cannot be compiled, failure.txt says
    why in their place, and the wheel is one for every platform.
    """

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile, before hatchling collects the files."""
        spec = importlib.util.spec_from_file_location("build", Path(self.root, ENGINE, "build.py"))
        engine = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(engine)
        if version == "editable":
            engine.build()
            return
        self.folder = tempfile.TemporaryDirectory(prefix="hindi-bn-engine-")
        if engine.build(Path(self.folder.name)):
            build_data["pure_python"] = False
            build_data["tag"] = f"py3-none-{engine.WHEEL_TAGS[engine.host()]}"
        for file in Path(self.folder.name).iterdir():
            build_data["force_include"][str(file)] = f"{ENGINE}/built/{file.name}"

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Remove what was compiled, which is in the wheel now."""
        if version != "editable":
            self.folder.cleanup()
