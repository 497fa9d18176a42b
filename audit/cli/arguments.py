"""Kinds of arguments that several verbs take."""

from __future__ import annotations

import argparse
import datetime


def day(text: str) -> datetime.date:
    """A day, YYYY-MM-DD."""
    try:
        return datetime.datetime.strptime(text, "%Y-%m-%d").date()
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no day, YYYY-MM-DD") from None
