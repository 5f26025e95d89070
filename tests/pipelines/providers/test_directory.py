import csv
from pathlib import Path

from pipelines.providers.directory import Directory
from pipelines.providers.listings import Query


def test_a_file_of_many_hundred_businesses_is_read_to_its_end_each_once(tmp_path: Path):
    titles = [f"Bakery {number}" for number in range(1201)]
    with (tmp_path / "businesses.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("title", "kind", "city"), *((title, "bakery", "Springfield") for title in titles)])
    directory = Directory(tmp_path / "businesses.csv")
    page = directory.search(Query("bakery", "Springfield, IL"), None)
    found = [one.title for one in page.listings]
    while page.next_cursor:
        page = directory.search(Query("bakery", "Springfield, IL"), page.next_cursor)
        found += [one.title for one in page.listings]
    assert found == titles
