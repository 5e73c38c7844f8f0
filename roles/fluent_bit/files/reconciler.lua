-- When a reconciler ran, as a number: the value of the metric reconciler_last_run_timestamp_seconds.
-- Only records of reconcilers come here.
function last_run(tag, timestamp, record)
    local line = record["log_processed"]
    if type(line) ~= "table" or line["reconciler"] == nil or line["drift_objects"] == nil then
        return 0, timestamp, record
    end
    record["last_run"] = math.floor(timestamp)
    return 2, timestamp, record
end
