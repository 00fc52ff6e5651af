using Mesh.Proxy.Config;

namespace Mesh.Proxy.Upstream;

/// <summary>
/// Sets endpoints aside that fail where others do not, and brings them back after a while that grows with each time. Counts on every answer; ejections end,
/// and shares of failures are judged, in steps of the interval, looked at when a request is about to be sent. Loop thread only.
/// </summary>
internal sealed class OutlierDetector(OutlierSettings settings, Random random, TimeProvider time)
{
    // A cluster that slept for hours catches up in one look, not in thousands.
    private const int StepsMax = 64;

    private readonly Dictionary<EndpointState, Record> records = [];
    private long nextStep = Deadline(time, settings.Interval);

    public long Ejections { get; private set; }

    public IReadOnlyDictionary<EndpointState, Record> Records => records;

    /// <summary>An answer came. True when the endpoint was ejected by it.</summary>
    public bool Report(EndpointState endpoint, int status, IReadOnlyList<EndpointState> all)
    {
        var record = RecordOf(endpoint);
        record.Requests++;
        record.LocalOriginFailures = 0;
        var isError = settings.HttpErrorCodes.IsEmpty ? status >= 500 : settings.HttpErrorCodes.Any(range => range.Contains(status));
        if (!isError)
        {
            record.Successes++;
            record.Consecutive5xx = record.ConsecutiveGateway = 0;
            return false;
        }
        return Fail(endpoint, record, isGateway: status is 502 or 503 or 504, all);
    }

    /// <summary>Whether other loops must hear of it: an error, or the answer that ends a row of them.</summary>
    public bool MattersToOthers(EndpointState endpoint, int status)
    {
        if (settings.HttpErrorCodes.IsEmpty ? status >= 500 : settings.HttpErrorCodes.Any(range => range.Contains(status))) return true;

        return records.TryGetValue(endpoint, out var record) && (record.Consecutive5xx | record.ConsecutiveGateway | record.LocalOriginFailures) != 0;
    }

    /// <summary>No answer came: the endpoint could not be reached, broke off, or was too slow.</summary>
    public bool ReportLocalOrigin(EndpointState endpoint, IReadOnlyList<EndpointState> all)
    {
        var record = RecordOf(endpoint);
        if (!settings.SplitLocalOriginErrors)
        {
            record.Requests++;
            return Fail(endpoint, record, isGateway: true, all);
        }
        return ++record.LocalOriginFailures >= settings.ConsecutiveLocalOriginFailures
            && Eject(endpoint, record, settings.EnforcingLocalOriginFailures, all) && (record.LocalOriginFailures = 0) == 0;
    }

    /// <summary>Looks whether an interval has passed. True when some endpoint's health changed.</summary>
    public bool Look(IReadOnlyList<EndpointState> all)
    {
        var now = time.GetTimestamp();
        if (now < nextStep) return false;

        var changed = false;
        for (var step = 0; now >= nextStep && step < StepsMax; step++)
        {
            nextStep += Ticks(time, settings.Interval);
            changed |= Step(now, all);
        }
        if (now >= nextStep) nextStep = Deadline(time, settings.Interval);
        return changed;
    }

    /// <summary>Endpoints that left take their history with them.</summary>
    public void Forget(EndpointState endpoint) => records.Remove(endpoint);

    private bool Fail(EndpointState endpoint, Record record, bool isGateway, IReadOnlyList<EndpointState> all)
    {
        var ejected = false;
        record.ConsecutiveGateway = isGateway ? record.ConsecutiveGateway + 1 : 0;
        if (isGateway && record.ConsecutiveGateway >= settings.ConsecutiveGatewayErrors)
        {
            record.ConsecutiveGateway = 0;
            ejected = Eject(endpoint, record, settings.EnforcingGatewayErrors, all);
        }
        if (++record.Consecutive5xx >= settings.Consecutive5xx)
        {
            record.Consecutive5xx = 0;
            ejected |= Eject(endpoint, record, settings.Enforcing5xx, all);
        }
        return ejected;
    }

    private bool Eject(EndpointState endpoint, Record record, uint enforcingPercent, IReadOnlyList<EndpointState> all)
    {
        if (endpoint.IsEjected || random.Next(100) >= enforcingPercent) return false;

        var active = 0;
        foreach (var state in all)
            if (state.IsEjected) active++;
        // The one about to go counts too: a limit of ten percent sets nobody aside where there are few (as observed in Envoy 1.40).
        var isAllowed = all.Count > 0 && 100.0 * (active + 1) / all.Count <= settings.EjectionPercentMax || active == 0 && settings.AlwaysEjectOneHost;
        if (!isAllowed) return false;

        record.Times++;
        var span = settings.EjectionBase * record.Times;
        record.EjectedUntil = time.GetTimestamp() + Ticks(time, (span < settings.EjectionMax ? span : settings.EjectionMax) + settings.EjectionJitterMax * random.NextDouble());
        endpoint.IsEjected = true;
        Ejections++;
        return true;
    }

    private bool Step(long now, IReadOnlyList<EndpointState> all)
    {
        var changed = false;
        foreach (var (endpoint, record) in records)
        {
            if (!endpoint.IsEjected)
            {
                // Well since the last look: the next ejection will be shorter.
                if (record.Times > 0) record.Times--;
            }
            else if (now >= record.EjectedUntil)
            {
                endpoint.IsEjected = false;
                record.Consecutive5xx = record.ConsecutiveGateway = record.LocalOriginFailures = 0;
                changed = true;
            }
        }
        changed |= JudgeSuccessRates(all) | JudgeFailurePercent(all);
        foreach (var record in records.Values) record.Requests = record.Successes = 0;
        return changed;
    }

    // An endpoint whose rate of success lies far below the average of all.
    private bool JudgeSuccessRates(IReadOnlyList<EndpointState> all)
    {
        if (settings.EnforcingSuccessRate == 0) return false;
        var rated = records.Where(pair => pair.Value.Requests >= settings.SuccessRateRequestsMin).ToList();
        if (rated.Count == 0 || rated.Count < settings.SuccessRateHostsMin) return false;

        var mean = rated.Average(pair => pair.Value.SuccessRate);
        var deviation = Math.Sqrt(rated.Average(pair => Math.Pow(pair.Value.SuccessRate - mean, 2)));
        var threshold = mean - deviation * settings.SuccessRateStdevFactor / 1000;
        var changed = false;
        foreach (var (endpoint, record) in rated)
            if (record.SuccessRate < threshold) changed |= Eject(endpoint, record, settings.EnforcingSuccessRate, all);
        return changed;
    }

    private bool JudgeFailurePercent(IReadOnlyList<EndpointState> all)
    {
        if (settings.EnforcingFailurePercent == 0) return false;
        var rated = records.Where(pair => pair.Value.Requests >= settings.FailurePercentRequestsMin).ToList();
        if (rated.Count == 0 || rated.Count < settings.FailurePercentHostsMin) return false;

        var changed = false;
        foreach (var (endpoint, record) in rated)
            if (100 - record.SuccessRate >= settings.FailurePercentThreshold) changed |= Eject(endpoint, record, settings.EnforcingFailurePercent, all);
        return changed;
    }

    private Record RecordOf(EndpointState endpoint)
    {
        if (!records.TryGetValue(endpoint, out var record)) records[endpoint] = record = new();
        return record;
    }

    private static long Deadline(TimeProvider time, TimeSpan span) => time.GetTimestamp() + Ticks(time, span);

    private static long Ticks(TimeProvider time, TimeSpan span) => (long)(span.TotalSeconds * time.TimestampFrequency);

    /// <summary>What is remembered of one endpoint.</summary>
    internal sealed class Record
    {
        public uint Consecutive5xx { get; set; }
        public uint ConsecutiveGateway { get; set; }
        public uint LocalOriginFailures { get; set; }
        public long Requests { get; set; }
        public long Successes { get; set; }
        /// <summary>Ejections in a row, which make the next one longer.</summary>
        public int Times { get; set; }
        public long EjectedUntil { get; set; }

        public double SuccessRate => Requests == 0 ? 100 : 100.0 * Successes / Requests;
    }
}
