"""The bundle as an RO-Crate: what each file is, and which step of the workflow made it.

RO-Crate 1.1 with the profiles Process Run, Workflow Run and Provenance Run Crate 0.5
(w3id.org/ro/wfrun). The steps are those of which Snakemake wrote a benchmark. When each of them
began is not recorded there, and who started the run is not known: neither is stated.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePath, PurePosixPath
from typing import Any
from urllib.parse import quote

from audit.bundle.names import CONFIG, CRATE, MANIFEST, README, RESULTS, STATEMENT
from audit.bundle.steps import Job, position, written_by

WORKFLOW = "Snakefile"
WORKFLOW_CRATE = "https://w3id.org/workflowhub/workflow-ro-crate/1.0"
PROFILES = {
    "https://w3id.org/ro/wfrun/process/0.5": ("Process Run Crate", "0.5"),
    "https://w3id.org/ro/wfrun/workflow/0.5": ("Workflow Run Crate", "0.5"),
    "https://w3id.org/ro/wfrun/provenance/0.5": ("Provenance Run Crate", "0.5"),
    WORKFLOW_CRATE: ("Workflow RO-Crate", "1.0"),
}
CONTEXT = [
    "https://w3id.org/ro/crate/1.1/context",
    "https://w3id.org/ro/terms/workflow-run/context",
]
SNAKEMAKE = "https://snakemake.github.io"
LANGUAGE = "https://w3id.org/workflowhub/workflow-ro-crate#snakemake"
BENCHMARK = "https://snakemake.readthedocs.io/en/stable/snakefiles/rules.html#benchmark-rules"
SECONDS = "http://qudt.org/vocab/unit/SEC"
MEBIBYTES = "http://qudt.org/vocab/unit/MebiBYTE"
# Not the system's own list of types: the same report gives the same crate on every machine.
TYPES = {
    ".csv": "text/csv",
    ".html": "text/html",
    ".jpg": "image/jpeg",
    ".json": "application/json",
    ".jsonl": "application/jsonl",
    ".log": "text/plain",
    ".md": "text/markdown",
    ".parquet": "application/vnd.apache.parquet",
    ".png": "image/png",
    ".rst": "text/x-rst",
    ".smk": "text/plain",
    ".svg": "image/svg+xml",
    ".tsv": "text/tab-separated-values",
    ".webp": "image/webp",
    ".yaml": "application/yaml",
}

Entity = dict[str, Any]


@dataclass(frozen=True)
class Contents:
    """What the crate tells of."""

    digests: Mapping[str, str]
    """Name in the bundle -> SHA-256, of all files but the crate, the statement and the manifest."""
    sizes: Mapping[str, int]
    """Bytes of the same files."""
    provenance: Mapping[str, Any]
    name: str
    """Of the audit."""
    jobs: Sequence[Job] = field(default=())
    same_package: bool = True
    """Whether the packed workflow comes from the package that the run was made with."""


def crate(contents: Contents) -> dict[str, Any]:
    """``ro-crate-metadata.json``."""
    graph = [
        _descriptor(),
        _root(contents),
        *_profiles(),
        _license(),
        *_software(contents),
        *(_file(name, contents) for name in sorted(contents.digests) if name != WORKFLOW),
        _statement_file(),
        *inputs(contents.provenance),
        *_run(contents),
        *_steps(contents),
    ]
    return {"@context": CONTEXT, "@graph": graph}


def file_id(name: str) -> str:
    """Identifier of a file: its path in the bundle as a relative URI."""
    return quote(name, safe="/")


def _descriptor() -> Entity:
    return {
        "@id": CRATE,
        "@type": "CreativeWork",
        "about": _ref("./"),
        "conformsTo": _refs(["https://w3id.org/ro/crate/1.1", WORKFLOW_CRATE]),
    }


def _root(contents: Contents) -> Entity:
    return {
        "@id": "./",
        "@type": "Dataset",
        "name": f"Evidence of the audit {contents.name}",
        "description": "What an image classifier looks at: tables, pictures, verdict, sign-offs and "
        f"provenance of one run of Focus Audit. {MANIFEST} has the SHA-256 of every file.",
        "datePublished": contents.provenance["finished"],
        "license": _ref("#license"),
        "conformsTo": _refs(PROFILES),
        "mainEntity": _ref(WORKFLOW),
        "hasPart": _refs(file_id(name) for name in sorted({*contents.digests, STATEMENT})),
        "mentions": _refs(["#run", *(f"#{job.key}" for job in contents.jobs)]),
    }


def _profiles() -> list[Entity]:
    return [
        {"@id": uri, "@type": "CreativeWork", "name": name, "version": version}
        for uri, (name, version) in PROFILES.items()
    ]


def _license() -> Entity:
    return {
        "@id": "#license",
        "@type": "CreativeWork",
        "name": "Not stated",
        "description": "The owner of the model and of the images decides on the use of this.",
    }


def _software(contents: Contents) -> list[Entity]:
    """The workflow, its language and engine, and one tool for each kind of step."""
    version = contents.provenance["focus_audit"]
    rules = _rules(contents.jobs)
    note = "" if contents.same_package else (
        " This is the workflow as installed when the bundle was made; the run was made with another "
        f"state of the package, whose source has digest {_source(contents.provenance)}."
    )  # fmt: skip
    snakemake = contents.provenance["versions"].get("snakemake") or "unknown"
    return [
        {
            **_file(WORKFLOW, contents),
            "@type": ["File", "SoftwareSourceCode", "ComputationalWorkflow", "HowTo"],
            "name": "Focus Audit",
            "description": "From a trained classifier and boxed images to flagged classes." + note,
            "version": version,
            "license": "https://spdx.org/licenses/Apache-2.0",
            "conformsTo": _ref(
                "https://bioschemas.org/profiles/ComputationalWorkflow/1.0-RELEASE"
            ),
            "programmingLanguage": _ref(LANGUAGE),
            "hasPart": _refs(f"#tool-{rule}" for rule in rules),
            "step": _refs(f"#step-{rule}" for rule in rules),
        },
        {"@id": LANGUAGE, "@type": "ComputerLanguage", "name": "Snakemake",
         "identifier": _ref(SNAKEMAKE), "url": _ref(SNAKEMAKE)},
        {"@id": SNAKEMAKE, "@type": "SoftwareApplication", "name": "Snakemake",
         "url": SNAKEMAKE, "softwareVersion": snakemake},
        *(
            {"@id": f"#tool-{rule}", "@type": "SoftwareApplication",
             "name": f"focus-audit {rule}", "softwareVersion": version}
            for rule in rules
        ),
    ]  # fmt: skip


def _file(name: str, contents: Contents) -> Entity:
    entity = {
        "@id": file_id(name),
        "@type": "File",
        "name": name,
        "sha256": contents.digests[name],
        "contentSize": str(contents.sizes[name]),
        "encodingFormat": TYPES.get(PurePosixPath(name).suffix, "application/octet-stream"),
    }
    return {**entity, "about": _ref("./")} if name == README else entity


def _statement_file() -> Entity:
    """Its digest stands in the manifest: it is made after the crate."""
    return {
        "@id": STATEMENT,
        "@type": "File",
        "name": "in-toto attestation of the gate's result",
        "encodingFormat": "application/vnd.in-toto+json",
    }


def inputs(provenance: Mapping[str, Any]) -> list[Entity]:
    """What the run read and the bundle does not hold: model, images, annotations, by digest."""
    hashes = provenance["hashes"]
    named = [
        *(
            (f"#model-{i}", path, digest)
            for i, (path, digest) in enumerate(hashes["model"].items())
        ),
        *(
            (f"#annotations-{i}", path, digest)
            for i, (path, digest) in enumerate(hashes["annotations"].items())
        ),
    ]
    files = [
        {"@id": key, "@type": "CreativeWork", "name": PurePath(path).name,
         "identifier": f"sha256:{digest}"}
        for key, path, digest in named
    ]  # fmt: skip
    images = {
        "@id": "#images", "@type": "CreativeWork", "name": "Images",
        "identifier": f"sha256:{hashes['images']}",
        "description": "The digest is over the sorted names and SHA-256 of all indexed images.",
    }  # fmt: skip
    return [*files, images]


def _run(contents: Contents) -> list[Entity]:
    """The run of the workflow, and of the engine that drove it."""
    provenance = contents.provenance
    read = [entity["@id"] for entity in inputs(provenance)]
    results = sorted(n for n in contents.digests if written_by(n.removeprefix(RESULTS)))
    times = {"startTime": provenance["started"], "endTime": provenance["finished"]}
    return [
        {
            "@id": "#run",
            "@type": "CreateAction",
            "name": f"Audit {contents.name}",
            "description": f"focus-audit run, config in {RESULTS}{CONFIG}",
            "instrument": _ref(WORKFLOW),
            "object": _refs([*read, file_id(RESULTS + CONFIG)]),
            "result": _refs(map(file_id, results)),
            **times,
        },
        {
            "@id": "#engine-run",
            "@type": "OrganizeAction",
            "name": "Run of Snakemake",
            "instrument": _ref(SNAKEMAKE),
            "object": _refs(f"#control-{rule}" for rule in _rules(contents.jobs)),
            "result": _ref("#run"),
            **times,
        },
    ]


def _steps(contents: Contents) -> list[Entity]:
    """Each step with its jobs, and what a job took."""
    entities: list[Entity] = []
    for rule in _rules(contents.jobs):
        jobs = [job for job in contents.jobs if job.rule == rule]
        entities += [
            {"@id": f"#step-{rule}", "@type": "HowToStep", "name": rule,
             "position": str(position(rule)), "workExample": _ref(f"#tool-{rule}")},
            {"@id": f"#control-{rule}", "@type": "ControlAction", "name": f"Step {rule}",
             "instrument": _ref(f"#step-{rule}"), "object": _refs(f"#{job.key}" for job in jobs)},
        ]  # fmt: skip
        for job in jobs:
            entities += _job(job, contents)
    return entities


def _job(job: Job, contents: Contents) -> list[Entity]:
    written = [n for n in sorted(contents.digests) if job.wrote(n.removeprefix(RESULTS))]
    usage = [
        {"@id": f"#{job.key}-{name}", "@type": "PropertyValue", "name": name, "value": value,
         "propertyID": f"{BENCHMARK}:{name}", "unitCode": unit}
        for name, unit in (("s", SECONDS), ("max_rss", MEBIBYTES))
        if (value := job.usage.get(name))
    ]  # fmt: skip
    shard = f" --shard {job.shard}" if job.shard else ""
    action = {
        "@id": f"#{job.key}",
        "@type": "CreateAction",
        "name": " ".join(filter(None, (job.rule, job.shard))),
        "description": f"focus-audit {job.rule} --config {CONFIG}{shard}",
        "instrument": _ref(f"#tool-{job.rule}"),
        "object": _ref(file_id(RESULTS + CONFIG)),
        "result": _refs(map(file_id, written)),
        "resourceUsage": _refs(entity["@id"] for entity in usage),
    }
    # JSON-LD has no empty statement: what is not there is left out.
    return [{key: value for key, value in action.items() if value != []}, *usage]


def _rules(jobs: Sequence[Job]) -> list[str]:
    return sorted({job.rule for job in jobs}, key=lambda rule: (position(rule), rule))


def _source(provenance: Mapping[str, Any]) -> str:
    return provenance["hashes"]["package_source"]


def _ref(identifier: str) -> Entity:
    return {"@id": identifier}


def _refs(identifiers: Iterable[str]) -> Entity | list[Entity]:
    """RO-Crate 1.1 wants one value as itself, several as a list."""
    refs = [_ref(identifier) for identifier in identifiers]
    return refs[0] if len(refs) == 1 else refs
