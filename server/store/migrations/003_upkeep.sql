-- An event goes with the last of its deliveries, which must be found by it.
CREATE INDEX deliveries_by_event ON deliveries (owner_id, event_id);

-- With the stage in it, counting what lies in a tray reads the index alone: every page of the inbox counts.
DROP INDEX leads_by_tray;
CREATE INDEX leads_by_tray ON leads (owner_id, tray, id, stage);
