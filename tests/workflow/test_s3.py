"""Model, annotations and images come from S3, the results go there; the S3 is this machine's."""

import os
import subprocess
import tarfile
from pathlib import Path

import boto3
import pytest
import yaml
from moto.server import ThreadedMotoServer

from tests.workflow.cluster_environment import python_with

pytestmark = pytest.mark.slow
SNAKEFILE = Path(__file__).resolve().parents[2] / "workflow" / "s3" / "Snakefile"
KEYS = {"AWS_ACCESS_KEY_ID": "me", "AWS_SECRET_ACCESS_KEY": "x", "AWS_DEFAULT_REGION": "us-east-1"}


@pytest.fixture
def bucket(monkeypatch):
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    server = ThreadedMotoServer(port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    store = boto3.resource("s3", endpoint_url=f"http://{host}:{port}").Bucket("audits")
    store.create()
    yield store
    server.stop()


def snakemake(folder, bucket, target, sections):
    (folder / "s3.yaml").write_text(yaml.safe_dump(sections))
    endpoint = bucket.meta.client.meta.endpoint_url
    command = [python_with("snakemake_storage_plugin_s3"), "-m", "snakemake", target]
    options = {"snakefile": SNAKEFILE, "configfile": "s3.yaml", "cores": 2}
    options |= {"storage-s3-endpoint-url": endpoint, "storage-s3-access-key": "me"}
    options |= {"storage-s3-secret-key": "x"}
    for name, value in options.items():
        command += [f"--{name}", str(value)]
    done = subprocess.run(
        command, cwd=folder, env=dict(os.environ), capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr[-3000:]


def test_what_an_audit_reads_is_fetched(tmp_path, bucket, colours, colour_model):
    bucket.upload_file(str(colour_model), "in/colours.keras")
    with tarfile.open(tmp_path / "images.tar", "w") as archive:
        archive.add(colours.folder / "images", ".")
    bucket.upload_file(str(tmp_path / "images.tar"), "in/images.tar")
    addresses = {
        "data/colours.keras": "s3://audits/in/colours.keras",
        "data/images/": "s3://audits/in/images.tar",
    }
    snakemake(tmp_path, bucket, "fetch", {"fetch": addresses})
    assert (tmp_path / "data/colours.keras").read_bytes() == colour_model.read_bytes()
    found = _files(tmp_path / "data/images")
    found.pop(".snakemake_timestamp")
    assert found == _files(colours.folder / "images")


def test_what_an_audit_wrote_is_stored(tmp_path, bucket, audited):
    snakemake(tmp_path, bucket, "store", {"store": {str(audited[1]): "s3://audits/out/colours"}})
    stored = {
        o.key.removeprefix("out/colours/"): o.get()["Body"].read()
        for o in bucket.objects.filter(Prefix="out/")
    }
    assert {"report.html", "per_class.csv", "provenance.json", "overlays/index.csv"} <= set(stored)
    own = _files(audited[1])
    assert stored == {n: own[n] for n in stored}
    left_out = {name.split("/")[0] for name in set(own) - set(stored)}
    assert left_out <= {".snakemake", "benchmarks", "logs", "stages"}


def _files(folder):
    return {
        str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()
    }
