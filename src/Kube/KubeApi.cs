using System.Buffers;
using System.IO.Pipelines;
using System.Net.Http.Headers;
using System.Net.Sockets;
using System.Runtime.CompilerServices;
using System.Security.Authentication;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using k8s;

namespace Mesh.Kube;

/// <summary>
/// The API server, spoken to in JSON. The Kubernetes client library opens the connection: where the cluster is, TLS, and who we are
/// (tokens are read again as they change). Any thread.
/// </summary>
public sealed class KubeApi : IDisposable
{
    public const string FieldManager = "meshctl";
    private const string MetadataList = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1";
    private const string MetadataItem = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1";
    private const int BodyBytesMax = 512 << 20; // a list page; etcd's own limit for one object is 1.5 MiB
    private const int EventBytesMax = 16 << 20; // of a watch: one object
    private static readonly TimeSpan RequestTimeout = TimeSpan.FromSeconds(30);

    private readonly Kubernetes? client;
    private readonly HttpClient http;
    private readonly Uri server;
    private readonly Dictionary<string, JsonObject> discovered = new(StringComparer.Ordinal);
    private readonly Lock guard = new();

    public KubeApi(KubernetesClientConfiguration configuration)
    {
        client = new Kubernetes(configuration);
        http = client.HttpClient;
        http.Timeout = Timeout.InfiniteTimeSpan; // each request has a deadline of its own; a watch is meant to last
        server = client.BaseUri;
        Namespace = configuration.Namespace;
    }

    /// <summary>Without credentials: a test's server, or `kubectl proxy`.</summary>
    public KubeApi(Uri server, HttpClient http)
    {
        this.http = http;
        this.server = server;
        http.Timeout = Timeout.InfiniteTimeSpan;
    }

    /// <summary>The namespace of the kubeconfig's context, or of the pod we run in.</summary>
    public string? Namespace { get; }

    public Uri Server => server;

    /// <param name="kubeconfig">Null: $KUBECONFIG, ~/.kube/config, or the service account of the pod.</param>
    /// <exception cref="KubeConfigException">There is no cluster to talk to, or the file is not good; says why.</exception>
    public static KubeApi Connect(string? kubeconfig = null, string? context = null)
    {
        try
        {
            var configuration = kubeconfig is { Length: > 0 } || context is { Length: > 0 }
                ? KubernetesClientConfiguration.BuildConfigFromConfigFile(kubeconfig is { Length: > 0 } ? new FileInfo(kubeconfig) : null, context is { Length: > 0 } ? context : null)
                : KubernetesClientConfiguration.BuildDefaultConfig();
            return new(configuration);
        }
        catch (k8s.Exceptions.KubeConfigException) when (Open(kubeconfig, context) is { } open)
        {
            return new(open);
        }
        catch (Exception e) when (e is k8s.Exceptions.KubeConfigException or IOException or UnauthorizedAccessException or FormatException or YamlDotNet.Core.YamlException or System.Security.Cryptography.CryptographicException)
        {
            throw new KubeConfigException(e.Message, e);
        }
    }

    /// <summary>A server in plain text asks for no credentials (`kubectl proxy`, tests); the library insists on some.</summary>
    private static KubernetesClientConfiguration? Open(string? kubeconfig, string? context)
    {
        var path = kubeconfig is { Length: > 0 } ? kubeconfig : Environment.GetEnvironmentVariable("KUBECONFIG");
        if (string.IsNullOrEmpty(path) || !File.Exists(path)) return null;

        var file = KubernetesClientConfiguration.LoadKubeConfig(new FileInfo(path));
        var chosen = file.Contexts?.FirstOrDefault(entry => entry.Name == (context is { Length: > 0 } ? context : file.CurrentContext))?.ContextDetails;
        var server = file.Clusters?.FirstOrDefault(entry => entry.Name == chosen?.Cluster)?.ClusterEndpoint?.Server;
        return server?.StartsWith("http://", StringComparison.Ordinal) == true ? new KubernetesClientConfiguration { Host = server, Namespace = chosen?.Namespace } : null;
    }

    public Task<KubeAnswer> GetAsync(KubeKind kind, string? inNamespace, string name, CancellationToken cancel) =>
        SendAsync(HttpMethod.Get, kind.Path(inNamespace, name), null, null, cancel);

    /// <summary>One page of a list.</summary>
    /// <param name="onlyMetadata">Names, labels and versions are enough.</param>
    public Task<KubeAnswer> ListAsync(KubeKind kind, string? inNamespace, string query, CancellationToken cancel, bool onlyMetadata = false) =>
        SendAsync(HttpMethod.Get, kind.ListPath(inNamespace) + (query.Length > 0 ? "?" + query : ""), null, null, cancel, onlyMetadata ? MetadataList : null);

    public Task<KubeAnswer> CreateAsync(KubeKind kind, string? inNamespace, JsonObject body, CancellationToken cancel) =>
        SendAsync(HttpMethod.Post, kind.ListPath(inNamespace), body, "application/json", cancel);

    /// <summary>Replaces it; refused with 409 when its resourceVersion is no longer the newest.</summary>
    public Task<KubeAnswer> ReplaceAsync(KubeKind kind, string? inNamespace, string name, JsonObject body, CancellationToken cancel) =>
        SendAsync(HttpMethod.Put, kind.Path(inNamespace, name), body, "application/json", cancel);

    public Task<KubeAnswer> MergeAsync(KubeKind kind, string? inNamespace, string name, JsonObject patch, CancellationToken cancel, string subresource = "") =>
        SendAsync(HttpMethod.Patch, kind.Path(inNamespace, name) + subresource, patch, "application/merge-patch+json", cancel);

    public Task<KubeAnswer> PatchAsync(KubeKind kind, string? inNamespace, string name, JsonArray patch, CancellationToken cancel) =>
        SendAsync(HttpMethod.Patch, kind.Path(inNamespace, name), patch, "application/json-patch+json", cancel);

    /// <summary>Server-side apply: what we name is ours, what others named stays theirs.</summary>
    public Task<KubeAnswer> ApplyAsync(KubeKind kind, string? inNamespace, string name, JsonObject body, string manager, bool dryRun, CancellationToken cancel, string subresource = "") =>
        SendAsync(HttpMethod.Patch, $"{kind.Path(inNamespace, name)}{subresource}?fieldManager={Uri.EscapeDataString(manager)}&force=true{(dryRun ? "&dryRun=All" : "")}", body, "application/apply-patch+yaml", cancel);

    public Task<KubeAnswer> DeleteAsync(KubeKind kind, string? inNamespace, string name, CancellationToken cancel) =>
        SendAsync(HttpMethod.Delete, kind.Path(inNamespace, name) + "?propagationPolicy=Background", null, null, cancel);

    public async Task<KubeAnswer> SendAsync(HttpMethod method, string path, JsonNode? body, string? contentType, CancellationToken cancel, string? accept = null)
    {
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        deadline.CancelAfter(RequestTimeout);
        try
        {
            using var request = Request(method, path, body, contentType);
            Ask(request, accept);
            await AuthorizeAsync(request, deadline.Token);
            using var response = await http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, deadline.Token);
            if (response.Content.Headers.ContentLength > BodyBytesMax) return new(0, null, $"{method} {path}: the answer is larger than {BodyBytesMax >> 20} MiB");

            await using var stream = await response.Content.ReadAsStreamAsync(deadline.Token);
            var (json, text) = await ReadAsync(stream, deadline.Token);
            var unread = json is null && text.Length > 0 ? $"the answer cannot be read: {text[..Math.Min(text.Length, 100)].Trim()}" : "";
            return new((int)response.StatusCode, json, (int)response.StatusCode < 300 ? unread : Reason(json, text, response.ReasonPhrase));
        }
        catch (OperationCanceledException) when (!cancel.IsCancellationRequested)
        {
            return new(0, null, $"{method} {server.Authority}{Short(path)}: no answer within {RequestTimeout.TotalSeconds:0} s");
        }
        catch (Exception e) when (e is HttpRequestException or IOException or SocketException or AuthenticationException or k8s.Exceptions.KubernetesClientException)
        {
            return new(0, null, $"{method} {server.Authority}{Short(path)}: {e.InnerException?.Message ?? e.Message}");
        }
    }

    /// <summary>What is no JSON: a container's log.</summary>
    /// <returns>No text, and why.</returns>
    public async Task<(string? Text, string? Problem)> TextAsync(string path, CancellationToken cancel)
    {
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        deadline.CancelAfter(RequestTimeout);
        try
        {
            using var request = Request(HttpMethod.Get, path, null, null);
            request.Headers.Accept.Clear();
            await AuthorizeAsync(request, deadline.Token);
            using var response = await http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, deadline.Token);
            var text = await response.Content.ReadAsStringAsync(deadline.Token);
            return response.IsSuccessStatusCode ? (text, null) : (null, $"{(int)response.StatusCode}: {text[..Math.Min(text.Length, 300)].Trim()}");
        }
        catch (OperationCanceledException) when (!cancel.IsCancellationRequested)
        {
            return (null, $"GET {Short(path)}: no answer within {RequestTimeout.TotalSeconds:0} s");
        }
        catch (Exception e) when (e is HttpRequestException or IOException or SocketException or AuthenticationException or k8s.Exceptions.KubernetesClientException)
        {
            return (null, $"GET {Short(path)}: {e.InnerException?.Message ?? e.Message}");
        }
    }

    /// <summary>Watch events, one JSON object a line, as they come. Ends when the server ends it; a broken connection ends it too.</summary>
    /// <param name="silence">So long without a word, bookmarks included, the connection counts as dead.</param>
    public async IAsyncEnumerable<JsonDocument> WatchAsync(string path, TimeSpan silence, TimeProvider time, [EnumeratorCancellation] CancellationToken cancel, bool onlyMetadata = false)
    {
        using var quiet = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        using var timer = time.CreateTimer(static state => ((CancellationTokenSource)state!).Cancel(), quiet, silence, Timeout.InfiniteTimeSpan);
        using var request = Request(HttpMethod.Get, path, null, null);
        Ask(request, onlyMetadata ? MetadataItem : null);
        await AuthorizeAsync(request, quiet.Token);
        using var response = await http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, quiet.Token);
        await using var stream = await response.Content.ReadAsStreamAsync(quiet.Token);
        if (!response.IsSuccessStatusCode)
        {
            var (json, text) = await ReadAsync(stream, quiet.Token);
            throw new KubeWatchRefusedException((int)response.StatusCode, Reason(json, text, response.ReasonPhrase));
        }

        var reader = PipeReader.Create(stream, new(bufferSize: 64 << 10));
        while (true)
        {
            var read = await reader.ReadAsync(quiet.Token);
            timer.Change(silence, Timeout.InfiniteTimeSpan);
            var left = read.Buffer;
            while (left.PositionOf((byte)'\n') is { } end)
            {
                var line = left.Slice(0, end);
                left = left.Slice(left.GetPosition(1, end));
                // The document looks into the line: whoever takes it is done with it when the next is asked for.
                if (!line.IsEmpty) yield return JsonDocument.Parse(line, new() { MaxDepth = 128 });
            }
            if (left.Length > EventBytesMax) throw new IOException($"an event is larger than {EventBytesMax >> 20} MiB");
            if (read.IsCompleted)
            {
                if (!left.IsEmpty) throw new IOException("the stream ended within an event");
                yield break;
            }
            reader.AdvanceTo(left.Start, left.End);
        }
    }

    /// <summary>Does the server say of itself that it has the kind?</summary>
    /// <returns>Null when it does not say.</returns>
    public async Task<bool?> ServesAsync(KubeKind kind, CancellationToken cancel)
    {
        var answer = await SendAsync(HttpMethod.Get, kind.Group.Length == 0 ? $"/api/{kind.Version}" : $"/apis/{kind.ApiVersion}", null, null, cancel);
        if (answer.IsFine) return (answer.Body?["resources"] as JsonArray)?.OfType<JsonObject>().Any(resource => resource["name"]?.GetValue<string>() == kind.Plural);
        if (!answer.IsAbsent || kind.Group.Length == 0) return null;

        // Not even the group: only the list of groups can say so and be believed.
        var groups = await SendAsync(HttpMethod.Get, "/apis", null, null, cancel);
        return groups.IsFine && groups.Body?["groups"] is JsonArray all
            ? all.OfType<JsonObject>().Where(group => group["name"]?.GetValue<string>() == kind.Group).SelectMany(group => (group["versions"] as JsonArray ?? []).OfType<JsonObject>()).Any(version => version["version"]?.GetValue<string>() == kind.Version) ? null : false
            : null;
    }

    /// <summary>Which path a kind has, from the table of common kinds or from the cluster.</summary>
    /// <returns>Null when the cluster does not have the kind (its CRD is not installed).</returns>
    public async Task<KubeKind?> FindKindAsync(string apiVersion, string kind, CancellationToken cancel)
    {
        if (KubeKinds.Find(apiVersion, kind) is { } known) return known;

        var path = apiVersion.Contains('/', StringComparison.Ordinal) ? "/apis/" + apiVersion : "/api/" + apiVersion;
        JsonObject? list;
        lock (guard) discovered.TryGetValue(path, out list);
        if (list?["resources"] is not JsonArray || Find(list) is null)
        {
            var answer = await SendAsync(HttpMethod.Get, path, null, null, cancel);
            if (!answer.IsFine || answer.Body is null) return null;
            list = answer.Body;
            lock (guard) discovered[path] = list;
        }
        return Find(list);

        KubeKind? Find(JsonObject resources)
        {
            foreach (var resource in (resources["resources"] as JsonArray ?? []).OfType<JsonObject>())
            {
                var name = resource["name"]?.GetValue<string>() ?? "";
                if (resource["kind"]?.GetValue<string>() != kind || name.Contains('/', StringComparison.Ordinal)) continue;
                var slash = apiVersion.IndexOf('/', StringComparison.Ordinal);
                return new(slash < 0 ? "" : apiVersion[..slash], apiVersion[(slash + 1)..], name, kind, resource["namespaced"]?.GetValue<bool>() ?? false);
            }
            return null;
        }
    }

    public void Dispose()
    {
        client?.Dispose();
        if (client is null) http.Dispose();
    }

    private HttpRequestMessage Request(HttpMethod method, string path, JsonNode? body, string? contentType)
    {
        var request = new HttpRequestMessage(method, new Uri(server, path)) { Version = new(2, 0), VersionPolicy = HttpVersionPolicy.RequestVersionOrLower };
        request.Headers.Accept.Add(new MediaTypeWithQualityHeaderValue("application/json"));
        request.Headers.UserAgent.ParseAdd("mesh");
        if (body is not null)
        {
            request.Content = new StringContent(body.ToJsonString(), Encoding.UTF8);
            request.Content.Headers.ContentType = new MediaTypeHeaderValue(contentType!);
        }
        return request;
    }

    private static void Ask(HttpRequestMessage request, string? accept)
    {
        if (accept is null) return;
        request.Headers.Accept.Clear();
        request.Headers.TryAddWithoutValidation("Accept", accept);
    }

    private Task AuthorizeAsync(HttpRequestMessage request, CancellationToken cancel) =>
        client?.Credentials?.ProcessHttpRequestAsync(request, cancel) ?? Task.CompletedTask;

    private static async Task<(JsonObject? Json, string Text)> ReadAsync(Stream stream, CancellationToken cancel)
    {
        using var copy = new MemoryStream();
        var chunk = new byte[32 << 10];
        int read;
        while ((read = await stream.ReadAsync(chunk, cancel)) > 0)
        {
            copy.Write(chunk, 0, read);
            if (copy.Length > BodyBytesMax) throw new IOException($"the answer is larger than {BodyBytesMax >> 20} MiB");
        }
        copy.Position = 0;
        try
        {
            return (copy.Length == 0 ? null : await JsonNode.ParseAsync(copy, null, new() { MaxDepth = 128 }, cancel) as JsonObject, "");
        }
        catch (JsonException)
        {
            return (null, Encoding.UTF8.GetString(copy.GetBuffer(), 0, (int)Math.Min(copy.Length, 300)));
        }
    }

    private static string Reason(JsonObject? json, string text, string? phrase) =>
        json?["message"]?.GetValue<string>() is { Length: > 0 } message ? message : text.Length > 0 ? text.Trim() : phrase ?? "";

    private static string Short(string path) => path.IndexOf('?', StringComparison.Ordinal) is > 0 and var at ? path[..at] : path;
}

/// <summary>No cluster can be found, or its description cannot be used.</summary>
public sealed class KubeConfigException(string message, Exception? inner = null) : Exception(message, inner);

/// <summary>The API server refused a watch; 410 means that the version to go on from is forgotten.</summary>
public sealed class KubeWatchRefusedException(int status, string message) : Exception(message)
{
    public int Status { get; } = status;
}
