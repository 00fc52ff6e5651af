using System.Collections.Immutable;
using Google.Protobuf.WellKnownTypes;
using Mesh.Proxy.Config;
using Mesh.Proxy.Observe;
using Mesh.Xds;
using Microsoft.Extensions.Logging;

namespace Mesh.Proxy.Control;

/// <summary>Where all that is told to the proxy comes together: resources of the control plane and certificates of its own. Control scheduler only.</summary>
internal sealed class SnapshotKeeper : IDisposable
{
    /// <summary>Secrets the proxy gets for itself (<see cref="CertificateClient"/>) and never asks the control plane for.</summary>
    public const string WorkloadCertificate = "default", TrustBundle = "ROOTCA";

    private readonly SnapshotBuilder _builder;
    private readonly TimeProvider _time;
    private readonly Action<Snapshot> _publish;
    private readonly ILogger _log;
    private readonly ITimer _again;
    private volatile ControlState _state = ControlState.Empty;

    /// <param name="post">Runs an action on the control scheduler.</param>
    public SnapshotKeeper(TimeProvider time, Action<Snapshot> publish, Action<Action> post, ILogger log)
    {
        (_builder, _time, _publish, _log) = (new(time), time, publish, log);
        _again = time.CreateTimer(_ => post(Publish), null, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
    }

    /// <summary>Any thread.</summary>
    public ControlState State => _state;

    /// <summary>Who is told the mesh's roots as the control plane gives them (<see cref="MeshRoots"/>). Null: they are not asked for.</summary>
    public Action<PeerValidation>? OnRoots { get; set; }

    public ImmutableSortedSet<string> Wanted(string typeUrl)
    {
        var wanted = _builder.Wanted(typeUrl);
        if (typeUrl != ResourceFromXds.SecretType) return wanted;

        wanted = wanted.Remove(WorkloadCertificate).Remove(TrustBundle);
        return OnRoots is null ? wanted : wanted.Add(MeshRoots.Name);
    }

    public string? Put(string typeUrl, string name, object resource, string version, Any body)
    {
        if (name == MeshRoots.Name && resource is TrustSecret roots)
        {
            if (roots.Validation.Roots is null) return $"Secret '{name}': holds no roots";
            OnRoots?.Invoke(roots.Validation);
        }
        else if (((resource is Listener listener ? Formats.Refusal(listener) : null) ?? _builder.Put(name, resource)) is { } refusal)
        {
            return refusal;
        }

        var received = new ReceivedResource(version, body, _time.GetUtcNow());
        _state = _state with
        {
            Resources = _state.Resources.SetItem(typeUrl, _state.Of(typeUrl).SetItem(name, received)),
            Refusals = _state.Refusals.Remove((typeUrl, name)),
        };
        return null;
    }

    /// <summary>A secret of our own making.</summary>
    public void Put(Secret secret)
    {
        _builder.Put(secret.Name, secret);
        Publish();
    }

    public void Remove(string typeUrl, string name)
    {
        _builder.Remove(typeUrl, name);
        _state = _state with
        {
            Resources = _state.Resources.SetItem(typeUrl, _state.Of(typeUrl).Remove(name)),
            Refusals = _state.Refusals.Remove((typeUrl, name)),
        };
    }

    /// <summary>The virtual hosts of a table are not watched any more: they would grow old.</summary>
    public void ForgetHosts(string table)
    {
        foreach (var name in _state.Of(ResourceFromXds.VirtualHostType).Keys.Where(name => Mesh.Xds.TypeUrl.CollectionOf(name) == table)) Remove(ResourceFromXds.VirtualHostType, name);
    }

    public void Refused(string typeUrl, string name, string why) => _state = _state with { Refusals = _state.Refusals.SetItem((typeUrl, name), why) };

    public void Count(string typeUrl, bool accepted, string version)
    {
        var status = _state.StatusOf(typeUrl);
        status = accepted
            ? status with { Accepted = status.Accepted + 1, LastVersion = version, LastAt = _time.GetUtcNow() }
            : status with { Rejected = status.Rejected + 1, LastAt = _time.GetUtcNow() };
        _state = _state with { Types = _state.Types.SetItem(typeUrl, status) };
        if (_state.GoesOnSince is null || !_state.IsConfirmed) return;

        _state = _state with { GoesOnSince = null };
        Log.Confirmed(_log);
    }

    public void GoesOnWith(DateTimeOffset confirmedAt) => _state = _state with { GoesOnSince = confirmedAt };

    public void NothingKept(string problem) => _state = _state with { NothingKept = problem };

    public void Connected(bool connected)
    {
        if (_state.IsConnected != connected) _state = _state with { IsConnected = connected };
    }

    /// <summary>Makes the next snapshot if anything changed, and looks again when something that waits has waited long enough.</summary>
    public void Publish()
    {
        if (_builder.TryBuild(out var next))
        {
            Log.SnapshotInUse(_log, next.Listeners.Count, next.Clusters.Count, next.Routes.Count);
            _publish(next);
        }
        _state = _state with { Waiting = [.. _builder.Waiting()] };
        if (_builder.NextLook is not { } at) return;

        var wait = at - _time.GetUtcNow();
        _again.Change(wait > TimeSpan.FromMilliseconds(10) ? wait : TimeSpan.FromMilliseconds(10), Timeout.InfiniteTimeSpan);
    }

    public void Dispose() => _again.Dispose();
}
