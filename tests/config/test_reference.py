"""The generated files are those that the config model gives today."""

import difflib
import json
from pathlib import Path

import jsonschema
import pytest
import yaml

from audit.config.load import check_paths, load_config
from audit.config.model import Config
from audit.config.reference import reference, schema, template, written

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("path", written(ROOT), ids=lambda path: path.name)
def test_generated_files_are_up_to_date(path):
    wanted = written(ROOT)[path]
    found = path.read_text(encoding="utf-8") if path.exists() else ""
    if found != wanted:
        diff = difflib.unified_diff(
            found.splitlines(), wanted.splitlines(), str(path), "from the model", lineterm=""
        )
        pytest.fail("stale; run `make docs`\n" + "\n".join(diff), pytrace=False)


def uncommented(text):
    """The template with every key that is commented out put in."""
    lines = []
    for line in text.splitlines():
        bare = line.lstrip()
        key = bare.removeprefix("# ").split(":")[0]
        if bare.startswith("# ") and key.isidentifier() and key.islower() and ":" in bare:
            line = line.replace("# ", "", 1)
        lines.append(line)
    return "\n".join(lines)


def test_the_template_is_a_config_once_its_paths_exist(tmp_path):
    (tmp_path / "c.yaml").write_text(template())
    for name in ("model.keras", "annotations.json"):
        (tmp_path / name).touch()
    (tmp_path / "images").mkdir()
    config = load_config([tmp_path / "c.yaml"])
    check_paths(config, "c.yaml")


def test_the_defaults_that_the_template_shows_are_the_defaults(tmp_path):
    (tmp_path / "c.yaml").write_text(template())
    shown = yaml.safe_load(uncommented(template()))
    config = load_config([tmp_path / "c.yaml"]).model_dump(mode="json")
    assert set(shown) == set(Config.model_fields)
    for name, section in shown.items():
        if not isinstance(section, dict):
            continue
        assert set(section) == set(config[name])
        for key, value in section.items():
            if (name, key) not in PATHS:
                assert value == config[name][key], f"{name}.{key}"


PATHS = {("model", "path"), ("dataset", "annotations"), ("dataset", "images")}


def test_the_schema_is_one_and_takes_the_template():
    document = json.loads(schema())
    validator = jsonschema.Draft202012Validator(document)
    validator.check_schema(document)
    validator.validate(yaml.safe_load(template()))
    bad = yaml.safe_load(template()) | {"modell": {}}
    assert [error.validator for error in validator.iter_errors(bad)] == ["additionalProperties"]


def every_key(section=Config, prefix=""):
    for name, field in section.model_fields.items():
        yield f"{prefix}{name}", field
        nested = getattr(field.annotation, "model_fields", None)
        if nested:
            yield from every_key(field.annotation, f"{prefix}{name}.")


@pytest.mark.parametrize(
    ("path", "field"), list(every_key()), ids=lambda v: v if isinstance(v, str) else ""
)
def test_every_key_is_described_and_in_the_reference(path, field):
    if "." not in path:
        assert f"## `{path}`" in reference()
        return
    assert field.description
    assert f"| `{path.partition('.')[2]}` | " in reference()
