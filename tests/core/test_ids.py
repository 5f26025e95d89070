from core.ids import new_id


def test_ids_sort_by_the_time_they_were_made():
    made = [new_id() for _ in range(2000)]
    assert [value.hex[:15] for value in made] == sorted(value.hex[:15] for value in made)


def test_an_id_is_a_uuid_of_version_seven():
    value = new_id()
    assert (value.version, value.variant) == (7, "specified in RFC 4122")
