"""Findings of checks, and the list of findings of one plugin."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol, TypeAlias

from teachmatters.errors import TeachMattersError
from teachmatters.plugin.source import Package
from teachmatters.registry import Plugin

Status: TypeAlias = Literal["ok", "wrong", "not checked"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """The outcome of one check of one plugin.

    Attributes:
        plugin, distribution: the plugin and its package.
        about: the part that was checked, such as ``plugin`` or ``model my-vit``.
        check: name of the check.
        status: ``ok``, ``wrong`` or ``not checked``.
        message: the problem, or why the part was not checked; empty for ``ok``.
        where: ``file:line`` if known.
    """

    plugin: str
    distribution: str
    about: str
    check: str
    status: Status
    message: str = ""
    where: str = ""


class CheckFailed(Exception):  # noqa: N818  (a finding about a plugin, not an error)
    """Raised in a check to end it with a problem."""

    def __init__(self, message: str, where: str = "") -> None:
        super().__init__(message)
        self.where = where


class CheckSkipped(Exception):  # noqa: N818
    """Raised in a check to end it because it cannot run here."""


class Report(Protocol):
    """A function that reports a problem of a check; it may be called several times."""

    def __call__(self, message: str, where: str = "") -> None:
        """Report a problem and its line."""


@dataclass(slots=True)
class CheckList:
    """The findings of one plugin, part by part.

    Attributes:
        plugin: the plugin.
        package: its files.
        about: the part that is being checked.
        home: where this part is declared, for problems without a line.
        findings: all findings so far.
    """

    plugin: Plugin
    package: Package
    about: str = "plugin"
    home: str = ""
    findings: list[Finding] = field(default_factory=list)

    def check(self, name: str) -> Check:
        """Return a check of the current part, which is ``ok`` unless a problem is reported or an exception raised."""
        return Check(self, name)

    def not_ok(self, *names: str) -> bool:
        """Return whether one of these checks of the current part is not ``ok``."""
        return any(f.status != "ok" for f in self.findings if f.about == self.about and f.check in names)

    def add(self, check: str, status: Status, message: str = "", where: str = "") -> None:
        """Add a finding about the current part."""
        self.findings.append(
            Finding(
                plugin=self.plugin.name,
                distribution=self.plugin.distribution,
                about=self.about,
                check=check,
                status=status,
                message=" ".join(message.split()),
                where=where,
            )
        )


class Check:
    """The context of one running check; it turns exceptions into findings."""

    def __init__(self, sheet: CheckList, name: str) -> None:
        self.sheet, self.name = sheet, name
        self.problems: list[tuple[str, str]] = []

    def __enter__(self) -> Report:
        return self.tell

    def tell(self, message: str, where: str = "") -> None:
        """Report a problem and its line."""
        self.problems.append((message, where))

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> bool:
        if isinstance(error, CheckSkipped):
            self.sheet.add(self.name, "not checked", str(error))
            return True
        if isinstance(error, CheckFailed):
            self.tell(str(error), error.where)
        elif isinstance(error, Exception | SystemExit):  # any exception of a plugin is a finding
            self.tell(_words(error), self.sheet.package.place_of_error(error))
        elif error is not None:
            return False  # Ctrl-C
        for message, where in self.problems:
            self.sheet.add(self.name, "wrong", message, where or self.sheet.home)
        if not self.problems:
            self.sheet.add(self.name, "ok")
        return True


def _words(error: BaseException) -> str:
    return str(error) if isinstance(error, TeachMattersError) else f"{type(error).__name__}: {error}"


def wrong(findings: Sequence[Finding]) -> list[Finding]:
    """Return the findings that are wrong."""
    return [finding for finding in findings if finding.status == "wrong"]
