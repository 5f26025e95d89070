from db.engine import Database


def test_a_dead_line_is_noticed_within_a_dozen_seconds(database: Database):
    with database.engine.connect() as connection:
        told = connection.connection.driver_connection.info.get_parameters()
    seconds = int(told["keepalives_idle"]) + int(told["keepalives_interval"]) * int(told["keepalives_count"])
    assert seconds <= 12
    assert int(told["tcp_user_timeout"]) <= 12_000
