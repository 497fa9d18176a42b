"""The crate: the rules of its profiles that can be told without JSON-LD, and its steps."""

import re
from pathlib import Path

from audit.bundle.crate import Contents, crate
from audit.bundle.steps import STEPS, Job, job_of, position, written_by

REPOSITORY = Path(__file__).resolve().parents[2]
FILES = ("Snakefile", "README.md", "results/per_class.csv", "results/overlays/a b.jpg",
         "results/stages/config.json", "results/stages/explain/0-ab.records.parquet",
         "results/stages/explain/1-cd.records.parquet")  # fmt: skip
PROVENANCE = {
    "focus_audit": "0.1.0", "started": "2026-05-01T10:00:00+00:00",
    "finished": "2026-05-01T10:01:00+00:00", "versions": {"snakemake": "9.27.1"},
    "hashes": {"model": {"m.keras": "1"}, "annotations": {"a.json": "2"}, "images": "3",
               "package_source": "4"},
}  # fmt: skip
JOBS = [
    Job("judge", "", {"s": "2.0"}),
    Job("explain", "1-cd", {}),
    Job("explain", "0-ab", {"s": "1"}),
]
JOBS += [Job("summarise", "", {}), Job("mystery", "", {})]


def graph(**change):
    digests = {name: f"{i:064x}" for i, name in enumerate(FILES)}
    sizes = dict.fromkeys(FILES, 7)
    made = crate(Contents(digests, sizes, PROVENANCE, "zoo", JOBS, **change))
    return {entity["@id"]: entity for entity in made["@graph"]}, made


def refs(value):
    return [r["@id"] for r in (value if isinstance(value, list) else [value])]


def references(value):
    if isinstance(value, dict):
        yield from [value["@id"]] if set(value) == {"@id"} else references(list(value.values()))
    for item in value if isinstance(value, list) else ():
        yield from references(item)


def test_every_reference_is_there_and_every_entity_is_one():
    entities, made = graph()
    assert len(entities) == len(made["@graph"])
    local = {r for e in made["@graph"] for r in references(list(e.values())) if ":" not in r}
    assert local <= set(entities)
    web = {r for e in made["@graph"] for r in references(list(e.values())) if ":" in r}
    described = {r for r in web if r in entities}
    assert {r for r in web if "wfrun" in r or "workflow-ro-crate" in r} <= described


def test_all_files_are_parts_with_their_digests():
    entities, _ = graph()
    parts = refs(entities["./"]["hasPart"])
    assert len(parts) == len(FILES) + 1 and "attestation.intoto.json" in parts
    picture = entities["results/overlays/a%20b.jpg"]
    assert picture["sha256"] == f"{3:064x}" and picture["encodingFormat"] == "image/jpeg"


def test_the_run_as_the_profiles_want_it():
    entities, _ = graph()
    workflow = entities[entities["./"]["mainEntity"]["@id"]]
    assert {"File", "SoftwareSourceCode", "ComputationalWorkflow", "HowTo"} == set(
        workflow["@type"]
    )
    run, engine = entities["#run"], entities["#engine-run"]
    assert run["instrument"] == {"@id": "Snakefile"} and engine["result"] == {"@id": "#run"}
    assert run["startTime"] < run["endTime"] and "results/per_class.csv" in refs(run["result"])
    assert {"#model-0", "#annotations-0", "#images", "results/stages/config.json"} == set(
        refs(run["object"])
    )
    for control in refs(engine["object"]):
        step = entities[entities[control]["instrument"]["@id"]]
        assert step["@id"] in refs(workflow["step"])
        assert step["workExample"]["@id"] in refs(workflow["hasPart"])
        for action in refs(entities[control]["object"]):
            assert entities[action]["instrument"] == step["workExample"]
            assert action in refs(entities["./"]["mentions"])


def test_what_each_job_made_and_took():
    entities, _ = graph()
    job = entities["#job-explain-0-ab"]
    assert refs(job["result"]) == ["results/stages/explain/0-ab.records.parquet"]
    assert entities[job["resourceUsage"]["@id"]]["value"] == "1"
    assert "result" not in entities["#job-mystery"]
    steps = {e["name"]: int(e["position"]) for e in entities.values() if e["@type"] == "HowToStep"}
    assert steps["explain"] < steps["judge"] < steps["summarise"] < steps["mystery"]


def test_a_workflow_of_another_package_is_said_to_be_one():
    told = {same: graph(same_package=same)[0]["Snakefile"]["description"] for same in (True, False)}
    assert "another state of the package" in told[False] and "another" not in told[True]


def test_benchmarks_of_snakemake():
    row = b"s\th:m:s\tmax_rss\tmean_load\n1.5\t0:00:01\t12.25\tNA\n"
    assert job_of("benchmarks/explain/0-ab.tsv", row) == Job(
        "explain", "0-ab", {"s": "1.5", "max_rss": "12.25"}
    )
    assert job_of("benchmarks/judge.tsv", row).key == "job-judge"
    assert job_of("benchmarks/judge.tsv", b"s\n") is None
    assert job_of("other.tsv", row) is None


def test_the_steps_are_those_of_the_workflow():
    """What a rule writes into the results folder is known here under its name, and in an order."""
    text = "".join(p.read_text() for p in sorted((REPOSITORY / "workflow/rules").glob("*.smk")))
    for rule, body in re.findall(
        r"^(?:rule|checkpoint) (\w+):\n(.*?)(?=^\S|\Z)", text, re.M | re.S
    ):
        outputs = body.partition("output:")[2].partition("log:")[0]
        written = re.findall(r'f"\{AUDIT\.root\}/([^"]+)"', outputs)
        assert written and rule in STEPS, rule
        for name in written:
            assert written_by(name.replace("{{shard}}", "0-ab")) == rule, name
        for earlier in re.findall(r"rules\.(\w+)\.", body):
            assert position(earlier) < position(rule), (earlier, rule)
