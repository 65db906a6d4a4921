-- +goose Up

-- Few transactions have images; an id finds its own among them.
CREATE INDEX txn_image ON sandbox.txn USING gin ((detail -> 'imageIds')) WHERE detail ? 'imageIds';

-- +goose Down
DROP INDEX sandbox.txn_image;
