"""What a check found, and the sheet of one plugin that findings are written on."""

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
    """How one check of one plugin ended.

    Attributes:
        plugin, distribution: whose.
        about: what was checked: ``plugin``, ``model my-vit``.
        check: the check's name, a word or two.
        status: ``ok``, ``wrong`` or ``not checked``.
        message: what is wrong, or why it was not checked; empty when it is right.
        where: ``file:line``, where that is known.
    """

    plugin: str
    distribution: str
    about: str
    check: str
    status: Status
    message: str = ""
    where: str = ""


class CheckFailed(Exception):  # noqa: N818  (a finding, not a failure of ours)
    """Ends a check: something is wrong."""

    def __init__(self, message: str, where: str = "") -> None:
        super().__init__(message)
        self.where = where


class CheckSkipped(Exception):  # noqa: N818
    """Ends a check: it could not be made here."""


class Listener(Protocol):
    """Who is told how far it is."""

    def begin(self, label: str, total: int) -> None:
        """A plugin of so many parts begins."""

    def advance(self, count: int) -> None:
        """So many more are done."""

    def finish(self) -> None:
        """It is over, well or not."""


class Report(Protocol):
    """Called with what is wrong, and where; a check may tell several things."""

    def __call__(self, message: str, where: str = "") -> None:
        """Something is wrong."""


@dataclass(slots=True)
class CheckList:
    """The findings of one plugin, about one part of it after the other.

    Attributes:
        plugin: which.
        package: its files.
        about: what is being checked.
        home: where that is declared, for what is wrong with no line of its own.
        findings: so far.
    """

    plugin: Plugin
    package: Package
    about: str = "plugin"
    home: str = ""
    findings: list[Finding] = field(default_factory=list)

    def check(self, name: str) -> Check:
        """One check: right, unless something is told or raised; what a stranger's code raises is told with its line."""
        return Check(self, name)

    def not_ok(self, *names: str) -> bool:
        """Whether one of these checks of the present part did not come out right."""
        return any(f.status != "ok" for f in self.findings if f.about == self.about and f.check in names)

    def add(self, check: str, status: Status, message: str = "", where: str = "") -> None:
        """Write a finding about the present part down."""
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
    """One check under way; nothing that is raised in it gets out."""

    def __init__(self, sheet: CheckList, name: str) -> None:
        self.sheet, self.name = sheet, name
        self.told: list[tuple[str, str]] = []

    def __enter__(self) -> Report:
        return self.tell

    def tell(self, message: str, where: str = "") -> None:
        """Something is wrong."""
        self.told.append((message, where))

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> bool:
        if isinstance(error, CheckSkipped):
            self.sheet.add(self.name, "not checked", str(error))
            return True
        if isinstance(error, CheckFailed):
            self.tell(str(error), error.where)
        elif isinstance(error, Exception | SystemExit):  # whatever a stranger's code raises is a finding
            self.tell(_words(error), self.sheet.package.place_of_error(error))
        elif error is not None:
            return False  # Ctrl-C
        for message, where in self.told:
            self.sheet.add(self.name, "wrong", message, where or self.sheet.home)
        if not self.told:
            self.sheet.add(self.name, "ok")
        return True


def _words(error: BaseException) -> str:
    return str(error) if isinstance(error, TeachMattersError) else f"{type(error).__name__}: {error}"


def wrong(findings: Sequence[Finding]) -> list[Finding]:
    """Those that are wrong."""
    return [finding for finding in findings if finding.status == "wrong"]
