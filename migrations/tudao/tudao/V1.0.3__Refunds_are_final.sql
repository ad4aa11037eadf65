-- A refund must be kept for seven years, so neither its status nor its time may change: an update followed by a delete
-- would be a way around.
CREATE FUNCTION keep_refund() RETURNS TRIGGER
LANGUAGE plpgsql
AS $$
BEGIN
  IF NEW.status <> 'refunded' OR NEW.refunded_at IS DISTINCT FROM OLD.refunded_at THEN
    RAISE EXCEPTION 'buyer % is refunded, and a refund is final', OLD.id
      USING ERRCODE = 'restrict_violation',
        DETAIL = 'Neither status nor refunded_at of a refunded buyer can change.';
  END IF;
  RETURN NEW;
END
$$;

CREATE TRIGGER buyers_keep_refund
  BEFORE UPDATE ON buyers
  FOR EACH ROW WHEN (OLD.status = 'refunded')
  EXECUTE FUNCTION keep_refund();

CREATE TRIGGER buyers_archive_keep_refund
  BEFORE UPDATE ON buyers_archive
  FOR EACH ROW WHEN (OLD.status = 'refunded')
  EXECUTE FUNCTION keep_refund();

-- Triggers fire in the order of their names: keep_refund has looked by the time this one stamps.
CREATE FUNCTION stamp_buyer() RETURNS TRIGGER
LANGUAGE plpgsql
AS $$
BEGIN
  IF TG_OP = 'INSERT' THEN
    -- Rows imported from elsewhere bring the time of their refund.
    IF NEW.status = 'refunded' THEN
      NEW.refunded_at := coalesce(NEW.refunded_at, now());
    END IF;
    RETURN NEW;
  END IF;
  IF NEW.status = 'refunded' AND OLD.status <> 'refunded' THEN
    NEW.refunded_at := now();
  END IF;
  NEW.updated_at := now();
  RETURN NEW;
END
$$;

CREATE TRIGGER buyers_stamp
  BEFORE INSERT OR UPDATE ON buyers
  FOR EACH ROW
  EXECUTE FUNCTION stamp_buyer();
