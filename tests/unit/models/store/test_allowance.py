"""How large the networks may be that Keras makes of a file."""

from threading import Event, Thread

from models.store.allowance import bounded_weights


def test_layers_are_as_they_were_after_two_threads_had_an_allowance_each():
    import keras

    before, begun = keras.layers.Layer.add_weight, Event()

    def second():
        begun.set()
        with bounded_weights("the second"):
            pass

    thread = Thread(target=second)
    with bounded_weights("the first"):
        thread.start()
        assert begun.wait(10)
        thread.join(0.05)
        assert thread.is_alive()
    thread.join(10)
    assert keras.layers.Layer.add_weight is before
