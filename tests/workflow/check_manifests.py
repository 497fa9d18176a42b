"""Faults of Kubernetes jobs, by the models of Kubernetes' own client: `python -m ... < jobs.json`.

The client drops what it does not know without a word; here each key has to be one of the model's,
and each value of its type. What the API's server refuses beyond that is in `_refused`.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from typing import Any

from kubernetes import client

NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
QUANTITY = re.compile(r"[0-9]+(\.[0-9]+)?(m|[kMGTPE]i?)?")
SIMPLE = {"str": str, "int": int, "bool": bool, "float": float, "object": object}


def faults(job: dict[str, Any]) -> list[str]:
    """What is wrong with one job, each with its place."""
    return [*_strange(job, "V1Job", "job"), *_refused(job)]


def _strange(value: Any, kind: str, where: str) -> Iterator[str]:
    if inner := re.fullmatch(r"list\[(.*)\]", kind):
        for i, item in enumerate(value):
            yield from _strange(item, inner[1], f"{where}[{i}]")
    elif inner := re.fullmatch(r"dict\(str, (.*)\)", kind):
        for key, item in value.items():
            yield from _strange(item, inner[1], f"{where}.{key}")
    elif kind in SIMPLE:
        if not isinstance(value, SIMPLE[kind]):
            yield f"{where}: {value!r} is no {kind}"
    else:
        model = getattr(client, kind)
        names = {key: name for name, key in model.attribute_map.items()}
        for key, item in value.items():
            if key not in names:
                yield f"{where}: no {key} in {kind}"
            else:
                yield from _strange(item, model.openapi_types[names[key]], f"{where}.{key}")


def _refused(job: dict[str, Any]) -> Iterator[str]:
    if not NAME.fullmatch(job["metadata"]["name"]):
        yield f"name {job['metadata']['name']!r}"
    pod = job["spec"]["template"]["spec"]
    if pod.get("restartPolicy") not in ("Never", "OnFailure"):
        yield "restartPolicy of a job has to be Never or OnFailure"
    volumes = {v["name"] for v in pod["volumes"]}
    for container in pod["containers"]:
        missing = {m["name"] for m in container["volumeMounts"]} - volumes
        yield from (f"no volume {name}" for name in missing)
        wanted = container["resources"]["requests"]
        limits = container["resources"].get("limits", {})
        for name, amount in {**wanted, **limits}.items():
            if not QUANTITY.fullmatch(amount):
                yield f"{name}: {amount!r} is no quantity"
        for name in wanted.keys() | limits.keys():
            # Devices are not shared: what is asked for has to be the limit, too.
            if "/" in name and wanted.get(name) != limits.get(name):
                yield f"{name}: {wanted.get(name)} requested, limit {limits.get(name)}"


if __name__ == "__main__":
    json.dump([faults(job) for job in json.load(sys.stdin)], sys.stdout)
