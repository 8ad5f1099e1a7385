from . import shelf


def lend(books: shelf.Shelf, who, title):
    if books.books.get(title, "unknown") is not None:
        return False
    books.books[title] = who
    return True
