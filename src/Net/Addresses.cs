using System.Net;

namespace Mesh.Net;

/// <summary>Who is at which end.</summary>
/// <param name="OriginalDestination">Where the peer was headed before redirection; null when it was not redirected or nobody asked.</param>
public sealed record ConnectionAddresses(EndPoint Local, EndPoint Peer, IPEndPoint? OriginalDestination = null);
