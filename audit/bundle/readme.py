"""The page that tells a reader of the bundle what it is and how to check it by hand."""

from __future__ import annotations

from audit.bundle.names import CRATE, MANIFEST, RESULTS, SIGNATURE, STATEMENT


def readme() -> str:
    """``README.md`` of a bundle: the same in all of them, so that it promises nothing of this one."""
    return f"""# Evidence of an audit by Focus Audit

| file | what |
|---|---|
| `{RESULTS}` | tables, pictures, verdict, provenance and sign-offs of one run |
| `{MANIFEST}` | SHA-256 of every other file |
| `{SIGNATURE}` | where there is one: an SSH signature over the manifest |
| `{STATEMENT}` | the verdict as an in-toto attestation |
| `{CRATE}` | the run as an RO-Crate |
| `Snakefile`, `workflow/` | the workflow |

Model and images are not in here; `{RESULTS}provenance.json` has their SHA-256.

To check by hand, in the folder that this was unpacked to:

```sh
# No output: no file was changed, none is missing, and none is here that the manifest does not list.
sha256sum --check --quiet --strict {MANIFEST}
diff <(find . -type f ! -name '{MANIFEST}*' | cut -c3- | sort) <(cut -c67- {MANIFEST} | sort)
# Who signed it, where it is signed.
ssh-keygen -Y verify -f allowed_signers -I NAME -n focus-audit -s {SIGNATURE} < {MANIFEST}
# What the attestation calls {RESULTS}
grep '  {RESULTS}' {MANIFEST} | sha256sum
```

`allowed_signers` has a line `NAME ssh-ed25519 AAAA...` for each person whose signature counts;
it has to come from elsewhere than this bundle. `focus-audit verify` checks the same and more:
tables against provenance, the verdict against the tables, the chain of sign-offs, attestation and
crate.
"""
