"""Origins: where the files of a world come from, as its file states them. Light: read while the workflow is parsed."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints, model_validator

from regrow.config.schema import Section, Text
from regrow.methods import Count

PART = r"[A-Za-z0-9_][A-Za-z0-9._-]*"  # no part begins with a dot, so a path cannot climb out of its folder
Repository = Annotated[str, StringConstraints(pattern=rf"^{PART}/{PART}$")]
Commit = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{40}$")]
Location = Annotated[str, StringConstraints(pattern=rf"^{PART}(/{PART})*$")]
Digest = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
# torchvision puts the first digits of a file's digest into its name; the others are written down at first use.
KnownDigest = Annotated[str, StringConstraints(pattern=r"^([0-9a-f]{8}|[0-9a-f]{64})$")]
FETCHED = "fetched.json"  # in results/{world}/fetch_world: what was fetched, from where, by which digests


class Origin(Section):
    """Where one folder of a world comes from: a commit of a repository of the hub, or a web address."""

    repo: Repository | None = Field(None, description="Repository of the hub, owner/name")
    revision: Commit | None = Field(None, description="Commit of that repository, 40 digits; no branch, which moves")
    url: Annotated[str, StringConstraints(pattern=r"^https?://[^\s?#@]+[^\s?#@/]$")] | None = Field(
        None, description="Web address of the folder that holds the files, where it is no repository"
    )
    licence: Text = Field(description="Of the files; the report and the docs list it")
    files: dict[Location, KnownDigest | None] = Field(
        min_length=1, description="Exactly the files that are loaded, with SHA-256; null: written down at first use"
    )
    judge: dict[str, Any] = Field(
        {}, description="What judge.yaml beside the files says; the digest of the weights is added to it"
    )

    @model_validator(mode="after")
    def _is_one_place(self) -> Origin:
        if (self.repo is None) == (self.url is None):
            raise ValueError("give either repo and revision, or url")
        if (self.repo is None) != (self.revision is None):
            raise ValueError("a repo needs the revision that is pinned, and nothing else has one")
        if self.judge and len(self.files) != 1:
            raise ValueError("a judge has one file of weights")
        return self

    @property
    def key(self) -> str:
        """What a lock calls it."""
        return f"{self.repo}@{self.revision}" if self.repo else str(self.url)


class PromptOrigin(Section):
    """Where a file of prompts comes from that nobody may ship: a commit of a repository, and its SHA-256."""

    host: Literal["github", "hub"] = Field(description="github, or hub for a data set of the hub")
    repo: Repository = Field(description="Repository, owner/name")
    revision: Commit = Field(description="Commit of that repository, 40 digits")
    path: Location = Field(description="Path of the file in it")
    sha256: Digest = Field(description="SHA-256 of the file")
    rows: Count = Field(description="Rows below the header")
    distinct: Count = Field(description="Distinct pairs of prompt and seed: equal rows are one image")
    labels: dict[str, tuple[Count, Count]] = Field(
        {},
        description="Rows and distinct rows of each label, in the order in which the file first names them: by these "
        "an audit is planned before the file is there",
    )
    licence: Text = Field(description="Of the file, as its repository states it")

    @model_validator(mode="after")
    def _adds_up(self) -> PromptOrigin:
        counts = list(self.labels.values()) or [(self.rows, self.distinct)]
        if any(distinct > rows for rows, distinct in [*counts, (self.rows, self.distinct)]):
            raise ValueError("there are more distinct rows than rows")
        if (sum(rows for rows, _ in counts), sum(distinct for _, distinct in counts)) != (self.rows, self.distinct):
            raise ValueError("the counts of the labels do not add up to rows and distinct")
        return self
