using System.Collections.Immutable;
using Envoy.Service.Discovery.V3;
using Mesh.Proxy.Config;
using Mesh.Proxy.Observe;
using Mesh.Xds;
using Microsoft.Extensions.Logging;

namespace Mesh.Proxy.Control;

/// <summary>
/// The proxy's side of delta ADS: subscribes, decodes, hands records to the builder, acknowledges, and refuses bad resources one by one by name.
/// What was accepted outlives the stream. Runs on the control scheduler only, so nothing here is shared.
/// </summary>
internal sealed class AdsClient(SnapshotKeeper keeper, Envoy.Config.Core.V3.Node node, Func<CancellationToken, IAdsStream> connect, string address, bool wantsNames, TimeProvider time, Random random, ILogger log)
{
    private static readonly TimeSpan BackoffMin = TimeSpan.FromMilliseconds(100), BackoffMax = TimeSpan.FromSeconds(15);

    // Types that others stand on come first, as make-before-break wants it.
    private static readonly ImmutableArray<string> NamedTypes =
        [ResourceFromXds.EndpointsType, ResourceFromXds.RouteType, ResourceFromXds.VirtualHostType, ResourceFromXds.SecretType, ResourceFromXds.ExtensionType];

    private readonly Dictionary<string, DeltaSubscription> _subscriptions = Subscriptions(wantsNames);
    private readonly HashSet<string> _opened = [];

    /// <summary>Some control plane has said something since this process began.</summary>
    public bool HasAnswer { get; private set; }

    /// <summary>The last control plane that was asked does not know us: it is there, and it says no.</summary>
    public bool WasTurnedAway { get; private set; }

    /// <summary>Called when a stream ended and there never was an answer.</summary>
    public Action? OnAbsent { get; set; }

    /// <summary>This resource is here already, from a former process: only what differs needs to be sent.</summary>
    public void Holds(string typeUrl, string name, string version)
    {
        if (_subscriptions.TryGetValue(typeUrl, out var subscription)) subscription.Holds(name, version);
    }

    /// <summary>Reconnects for ever; the snapshot in use serves meanwhile.</summary>
    public async Task RunAsync(CancellationToken cancellation)
    {
        var backoff = BackoffMin;
        while (!cancellation.IsCancellationRequested)
        {
            var began = time.GetTimestamp();
            var reason = await ConverseAsync(cancellation);
            if (cancellation.IsCancellationRequested) return;

            keeper.Connected(false);
            if (time.GetElapsedTime(began) > TimeSpan.FromSeconds(30)) backoff = BackoffMin;
            var wait = backoff * (0.5 + random.NextDouble() / 2);
            Log.ControlPlaneLost(log, address, reason, (long)wait.TotalMilliseconds);
            if (!HasAnswer) OnAbsent?.Invoke();
            await WaitAsync(wait, cancellation);
            backoff = backoff * 2 < BackoffMax ? backoff * 2 : BackoffMax;
        }
    }

    /// <returns>Why the stream ended.</returns>
    private async Task<string> ConverseAsync(CancellationToken cancellation)
    {
        try
        {
            await using var stream = connect(cancellation);
            _opened.Clear();
            await OpenAsync(stream, ResourceFromXds.ClusterType, cancellation);
            await OpenAsync(stream, ResourceFromXds.ListenerType, cancellation);
            if (wantsNames) await OpenAsync(stream, ResourceFromXds.NamesType, cancellation);
            await WantAsync(stream, cancellation);

            while (await stream.ReceiveAsync(cancellation) is { } response)
            {
                keeper.Connected(true);
                HasAnswer = true;
                if (!_subscriptions.TryGetValue(response.TypeUrl, out var subscription)) continue;

                await stream.SendAsync(Take(subscription, response), cancellation);
                await WantAsync(stream, cancellation);
                keeper.Publish();
            }
            return "the stream was closed";
        }
        catch (IOException e)
        {
            WasTurnedAway = e.InnerException is Grpc.Core.RpcException { StatusCode: Grpc.Core.StatusCode.Unauthenticated or Grpc.Core.StatusCode.PermissionDenied };
            return e.Message;
        }
        catch (OperationCanceledException)
        {
            return "stopped";
        }
        catch (Exception e) when (e is HttpRequestException or Grpc.Core.RpcException or System.Security.Authentication.AuthenticationException or InvalidOperationException or UnauthorizedAccessException)
        {
            return e.Message;
        }
    }

    private async Task WaitAsync(TimeSpan wait, CancellationToken cancellation)
    {
        try
        {
            await Task.Delay(wait, time, cancellation);
        }
        catch (OperationCanceledException)
        {
            // The process ends.
        }
    }

    private async ValueTask OpenAsync(IAdsStream stream, string typeUrl, CancellationToken cancellation)
    {
        var first = _opened.Count == 0;
        _opened.Add(typeUrl);
        await stream.SendAsync(_subscriptions[typeUrl].Open(first ? node : null), cancellation);
    }

    /// <summary>Asks for what the accepted resources name, and lets go what none names any more.</summary>
    private async ValueTask WantAsync(IAdsStream stream, CancellationToken cancellation)
    {
        foreach (var typeUrl in NamedTypes)
        {
            var wanted = keeper.Wanted(typeUrl);
            var change = _subscriptions[typeUrl].Want(wanted);
            if (typeUrl == ResourceFromXds.VirtualHostType)
                foreach (var table in change?.ResourceNamesUnsubscribe ?? []) keeper.ForgetHosts(table);
            if (_opened.Contains(typeUrl))
            {
                if (change is not null) await stream.SendAsync(change, cancellation);
            }
            else if (wanted.Count > 0)
            {
                await OpenAsync(stream, typeUrl, cancellation);
            }
        }
    }

    private DeltaDiscoveryRequest Take(DeltaSubscription subscription, DeltaDiscoveryResponse response)
    {
        var refused = new HashSet<string>();
        var reasons = new List<string>();
        foreach (var resource in response.Resources)
        {
            var (record, refusal) = ResourceFromXds.Decode(resource.Name, resource.Resource_);
            refusal ??= keeper.Put(response.TypeUrl, resource.Name, record!, resource.Version, resource.Resource_);
            if (refusal is null) continue;

            refused.Add(resource.Name);
            reasons.Add(refusal);
            keeper.Refused(response.TypeUrl, resource.Name, refusal);
        }
        foreach (var name in response.RemovedResources) keeper.Remove(response.TypeUrl, name);

        keeper.Count(response.TypeUrl, refused.Count == 0, response.SystemVersionInfo);
        if (refused.Count == 0) return subscription.Accept(response);

        var reason = string.Join("; ", reasons);
        Log.ConfigurationRefused(log, reason);
        return subscription.Refuse(response, reason, refused);
    }

    private static Dictionary<string, DeltaSubscription> Subscriptions(bool wantsNames)
    {
        var all = NamedTypes.ToDictionary(type => type, type => new DeltaSubscription(type, wildcard: false));
        all[ResourceFromXds.ClusterType] = new(ResourceFromXds.ClusterType, wildcard: true);
        all[ResourceFromXds.ListenerType] = new(ResourceFromXds.ListenerType, wildcard: true);
        if (wantsNames) all[ResourceFromXds.NamesType] = new(ResourceFromXds.NamesType, wildcard: true);
        return all;
    }
}
