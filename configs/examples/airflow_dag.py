"""An audit every Monday at six, for Airflow 3 with the standard provider.

``gate`` alone fails where the policy does not hold: what made the results is then not run again.
"""

from datetime import datetime, timedelta

from airflow.providers.standard.operators.bash import BashOperator
from airflow.sdk import DAG

AUDITS = "/srv/audits"
PATH = f"{AUDITS}/.venv/bin:/usr/local/bin:/usr/bin:/bin"

with DAG(
    "focus_audit",
    schedule="0 6 * * 1",
    start_date=datetime(2026, 1, 1),
    catchup=False,
    max_active_runs=1,
    default_args={"cwd": AUDITS, "env": {"PATH": PATH}, "append_env": True},
):
    audit = BashOperator(
        task_id="audit",
        # 1 is a verdict, and the gate's to tell; 2 and more are faults.
        bash_command="focus-audit run audit.yaml --cores 4 || [ $? -eq 1 ]",
        execution_timeout=timedelta(hours=4),
        retries=1,
    )
    message = BashOperator(
        task_id="message",
        bash_command="focus-audit export reports/my-audit --to summary --out message.json",
    )
    post = BashOperator(
        task_id="post",
        # The address comes from the connection or the environment of the worker.
        bash_command='sh post-summary.sh "reports/my-audit"',
        retries=2,
    )
    gate = BashOperator(
        task_id="gate",
        bash_command="focus-audit gate reports/my-audit --junit verdict.xml",
    )
    audit >> [message, post, gate]
