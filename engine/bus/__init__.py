"""What other programs may hear of the floor, over MQTT: typed topics, an outbox that loses nothing, one link.

    topics      event -> topic and envelope                     pure
    board       retained state of agents and queues, folded     pure
    page        docs/topics.md, written from the table          pure
    outbox      rows of a store -> broker, in order, once or more
    connection  one aiomqtt client: address, TLS, last will
    link        the task that keeps connection, state and outbox going
    broker      an embedded broker for the demo and for tests

Events go through the outbox: in order, at least once, never lost. State is only ever worth its latest value: it does
not queue up, and the whole board is published again whenever the broker comes back (it may have forgotten it).
"""
