using Mesh.Proxy.Config;
using Mesh.Proxy.Observe;
using Microsoft.Extensions.Logging;

namespace Mesh.Proxy.Control;

/// <summary>
/// The first moments of a process: with a control plane that answers, nothing; without one, the configuration and certificate of the process before, if they
/// are still good. Later it keeps what is accepted. Control scheduler only.
/// </summary>
internal sealed class Restart : IDisposable
{
    /// <summary>Changes come in bursts.</summary>
    private static readonly TimeSpan FirstWriteAfter = TimeSpan.FromSeconds(1), WriteAfter = TimeSpan.FromSeconds(5), ConfirmEvery = TimeSpan.FromSeconds(30);

    /// <summary>A control plane that has not said a word for so long counts as absent.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(3);

    private readonly LastConfiguration _last;
    private readonly SnapshotKeeper _keeper;
    private readonly CertificateClient _certificates;
    private readonly AdsClient _ads;
    private readonly TimeProvider _time;
    private readonly ILogger _log;
    private readonly ITimer _patience, _write;
    private bool _wantsWrite, _hasWritten, _hasTried;

    public Restart(LastConfiguration last, SnapshotKeeper keeper, CertificateClient certificates, AdsClient ads, Action<Action> post, TimeProvider time, ILogger log)
    {
        (_last, _keeper, _certificates, _ads, _time, _log) = (last, keeper, certificates, ads, time, log);
        _write = time.CreateTimer(_ => post(Write), null, ConfirmEvery, ConfirmEvery);
        _patience = time.CreateTimer(_ => post(TryGoOn), null, Patience, Timeout.InfiniteTimeSpan);
        ads.OnAbsent = TryGoOn;
    }

    /// <summary>Something was accepted.</summary>
    public void Changed()
    {
        if (_wantsWrite) return;

        _wantsWrite = true;
        _write.Change(_hasWritten ? WriteAfter : FirstWriteAfter, ConfirmEvery);
    }

    public void Dispose()
    {
        _patience.Dispose();
        _write.Dispose();
    }

    private void Write()
    {
        var state = _keeper.State;
        // Half a configuration is not worth keeping, and one from a file is there already.
        if (!state.IsConfirmed)
        {
            if (_ads.HasAnswer) _write.Change(FirstWriteAfter, ConfirmEvery);
            return;
        }

        if (!_wantsWrite)
        {
            if (state.IsConnected) _last.Confirm();
            return;
        }
        _wantsWrite = false;
        _hasWritten = true;
        _last.Write(state, _certificates.Current, _certificates.Trusted);
    }

    /// <summary>There is no control plane to ask; who was turned away by one gets nothing from here either.</summary>
    private void TryGoOn()
    {
        if (_hasTried || _ads.HasAnswer || _ads.WasTurnedAway) return;

        _hasTried = true;
        if (_last.Read(out var problem) is not { } kept)
        {
            _keeper.NothingKept(problem);
            Log.NothingKept(_log, problem);
            return;
        }

        var own = kept.Own.Select(resource => ResourceFromXds.Decode(resource.Name, resource.Resource_).Resource).ToList();
        if (own.OfType<CertificateSecret>().FirstOrDefault() is { } certificate && own.OfType<TrustSecret>().FirstOrDefault() is { } roots) _certificates.GoOnWith(certificate, roots);
        foreach (var (typeUrl, resource) in kept.Received)
        {
            var (record, refusal) = ResourceFromXds.Decode(resource.Name, resource.Resource_);
            if (refusal is null && _keeper.Put(typeUrl, resource.Name, record!, resource.Version, resource.Resource_) is null) _ads.Holds(typeUrl, resource.Name, resource.Version);
        }
        _keeper.GoesOnWith(kept.ConfirmedAt);
        _keeper.Publish();
        var until = _certificates.Current is { } current ? $"certificate valid until {current.NotAfter:u}" : "without a certificate";
        Log.GoingOn(_log, kept.Received.Count, kept.ConfirmedAt, until);
    }
}
