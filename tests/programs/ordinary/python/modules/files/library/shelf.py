from dataclasses import dataclass, field


@dataclass
class Shelf:
    books: dict[str, str | None] = field(default_factory=dict)

    @classmethod
    def read(cls, path):
        return cls({title: None for title in path.read_text(encoding="utf-8").splitlines()})

    def __str__(self):
        return "; ".join(f"{title}: {holder or 'here'}" for title, holder in sorted(self.books.items()))
