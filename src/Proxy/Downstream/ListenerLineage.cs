namespace Mesh.Proxy.Downstream;

/// <summary>
/// One listener through all its versions: which of them accepts now, and with which each connection stands. Versions know this and not each other, so
/// that one whose connections are gone is gone too, however long those of an earlier one stay.
/// </summary>
internal sealed class ListenerLineage
{
    /// <summary>The version that has the sockets.</summary>
    public required ListenerState Present { get; set; }

    public Dictionary<ILiveConnection, ListenerState> Homes { get; } = new(ReferenceEqualityComparer.Instance);
}
