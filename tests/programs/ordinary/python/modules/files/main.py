from pathlib import Path

from library import Shelf
from library.loans import lend

shelf = Shelf.read(Path(__file__).parent / "data" / "books.txt")
for who, title in [("Ada", "Dune"), ("Linus", "Dune"), ("Ada", "Émile")]:
    print(who, title, lend(shelf, who, title))
print(shelf)
