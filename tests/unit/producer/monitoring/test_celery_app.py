"""The application of those who look goes where the settings say, whatever Celery reads itself."""

import pytest
from kombu import Connection

from producer.monitoring.celery_app import application
from tests.support.data.urls import FORMS
from tilefleet.settings import Settings
from tilefleet.urls import for_celery

PARTS = ("transport_cls", "hostname", "port", "userid", "password", "virtual_host", "alt")


@pytest.mark.parametrize("url", FORMS)
def test_celerys_own_variable_means_the_same_to_it_in_every_form(url, monkeypatch):
    monkeypatch.setenv("CELERY_BROKER_URL", url)
    app = application("any", Settings.from_environ())
    wanted = Connection(for_celery(url))
    for connection in (app.connection_for_read(), app.connection_for_write()):
        assert [getattr(connection, name) for name in PARTS] == [
            getattr(wanted, name) for name in PARTS
        ]
