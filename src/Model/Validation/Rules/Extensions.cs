namespace Mesh.Model.Validation.Rules;

/// <summary>WasmPlugin and TrafficExtension.</summary>
internal static class Extensions
{
    private const int LuaLengthMax = 65_536;

    public static void CheckWasm(Resource resource, Message spec, Report report)
    {
        Selectors.CheckTargets(spec, report);
        CheckModule(spec, "pluginName field must be less than 255 characters long", report);
        CheckMatches(spec, report);
    }

    public static void CheckTraffic(Resource resource, Message spec, Report report)
    {
        var (wasm, lua) = (spec.Child("wasm"), spec.Child("lua"));
        if (wasm is null == lua is null) report.Error("exactly one of wasm or lua must be set", spec.Source);
        Selectors.CheckTargets(spec, report, hasTargetRef: false);
        if (lua is not null)
        {
            var code = lua.Text("inlineCode");
            if (code.Length == 0) report.Error("lua.inlineCode cannot be empty", lua.Source);
            else if (System.Text.Encoding.UTF8.GetByteCount(code) > LuaLengthMax) report.Error("lua.inlineCode exceeds maximum size of 64KB", lua.At("inlineCode"));
        }
        if (wasm is not null) CheckModule(wasm, "pluginName field must be less than 256 characters long", report);
        CheckMatches(spec, report);
    }

    private static void CheckModule(Message module, string nameTooLong, Report report)
    {
        report.Error(UrlProblem(module.Text("url")), module.At("url"));
        report.Error(ShaProblem(module.Text("sha256")), module.At("sha256"));
        if (module.Text("imagePullSecret").Length > 253) report.Error("imagePullSecret field must be less than 253 characters long", module.At("imagePullSecret"));
        if (module.Text("pluginName").Length > 256) report.Error(nameTooLong, module.At("pluginName"));
        if (module.Child("vmConfig") is { } vm) report.Error(EnvironmentProblem(vm.Children("env")), vm.At("env"));
    }

    private static string? UrlProblem(string url)
    {
        if (url.Length == 0) return "url field needs to be set";

        var colon = url.IndexOf("://", StringComparison.Ordinal);
        var scheme = colon < 0 ? "" : url[..colon].ToLowerInvariant();
        if (scheme is not ("" or "file" or "http" or "https" or "oci")) return $"url contains unsupported scheme: {scheme}";

        var full = scheme.Length == 0 ? $"http://{url.TrimStart('/')}" : url;
        return url.Any(c => c is ' ' or < ' ' or '\x7f') || !Uri.TryCreate(full, UriKind.Absolute, out _)
            ? $"failed to parse url: parse \"{url}\": invalid URI for request"
            : null;
    }

    private static string? ShaProblem(string sha)
    {
        if (sha.Length == 0) return null;
        if (sha.Length != 64) return "sha256 field must be 64 characters long";
        return sha.All(char.IsAsciiHexDigitLower) ? null : "sha256 field must match [a-f0-9]{64} pattern";
    }

    private static string? EnvironmentProblem(IReadOnlyList<Message> variables)
    {
        var names = new HashSet<string>();
        foreach (var variable in variables)
        {
            var name = variable.Text("name");
            if (name.Length == 0) return "spec.vmConfig.env invalid";
            if (name.Length > 256) return "env.name field must be less than 255 characters long";
            if (!names.Add(name)) return "duplicate env";
            if (variable.Enum("valueFrom") != "INLINE" && variable.Has("value")) return "value may only be set when valueFrom is INLINE";
        }
        return null;
    }

    private static void CheckMatches(Message spec, Report report)
    {
        var matches = spec.Children("match");
        for (var m = 0; m < matches.Count; m++)
        {
            var ports = matches[m].Children("ports");
            for (var p = 0; p < ports.Count; p++)
            {
                if (ports[p].Number("number") is >= 1 and <= 65535) continue;
                report.Error($"spec.Match[{m}].Ports[{p}] is out of range: {ports[p].Number("number")}", ports[p].Source);
                return;
            }
        }
    }
}
