"""What a captcha is, the networks that read one, the engines that run them. May import `tilefleet`.

Nothing here knows Celery or Redis, and nothing a client runs imports any of it. Rooms, each may
import those before it:

    recognition   bytes to pixels, pixels to crops, probabilities to an answer; fingerprints
    runtimes      LiteRT and Keras as they are installed; conversion, quantisation
    networks      the networks' graphs, and layers of our own
    store         the folders that models are kept in
    datasets      labelled pictures and true answers, read and written
    drawing       synthetic captchas
    legacy        importing the networks of old servers
    engines       a model loaded and warm; `engines.reader` is all of it in one call
    evaluation    how well a model reads, in figures and charts
    training      making weights
    bootstrap     labels for captchas that nobody labelled
"""
