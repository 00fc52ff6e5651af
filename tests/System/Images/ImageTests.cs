using System.Diagnostics;
using Mesh.SystemTests.Iptables;

namespace Mesh.SystemTests.Images;

/// <summary>The images' roots hold all that their programs need, and no more: they start read-only, as the user of the pod, with nothing of this machine.</summary>
[Collection("demo")]
public sealed class ImageTests : IDisposable
{
    private readonly string folder = Directory.CreateTempSubdirectory("mesh-image-").FullName;

    public void Dispose() => Directory.Delete(folder, recursive: true);

    [Fact]
    public void The_proxys_image_starts_without_a_shell_and_writes_the_redirection()
    {
        if (NetworkSpace.Missing is { } missing) Assert.Skip(missing);
        var root = Root("proxy", "proxy/mesh-proxy");

        Assert.DoesNotContain(Directory.EnumerateFiles(root, "*", SearchOption.AllDirectories).Select(Path.GetFileName), name => name is "sh" or "bash" or "dash" or "busybox");
        using var pod = new NetworkSpace();
        Assert.Matches(@"^\d+\.\d+\.\d+\n$", Inside(pod, root, 1337, "/usr/local/bin/pilot-agent version"));
        Inside(pod, root, 0, "/usr/local/bin/pilot-agent istio-iptables -p 15001 -z 15006 -u 1337 -m REDIRECT -i * -b * -d 15090,15021,15020");
        Assert.Contains("-A ISTIO_REDIRECT -p tcp -j REDIRECT --to-ports 15001", pod.Tool("iptables-save -t nat"));
    }

    [Fact]
    public void The_control_planes_image_starts_with_the_runtime_that_it_carries()
    {
        if (NetworkSpace.Missing is { } missing) Assert.Skip(missing);
        var root = Root("istiod", "istiod/mesh-istiod");

        using var pod = new NetworkSpace();
        Assert.StartsWith("The control plane:", Inside(pod, root, 1337, "/usr/local/lib/mesh/mesh-istiod --help"));
    }

    private string Root(string kind, string program)
    {
        var path = Path.Combine(Programs.Root, "artifacts/bin", program);
        if (!File.Exists(path)) Assert.Skip($"{path} is not built; run tools/build first");
        var to = Path.Combine(folder, kind);
        using var process = Process.Start(new ProcessStartInfo(Path.Combine(Programs.Root, "tools/rootfs"), [kind, to]) { RedirectStandardError = true })!;
        var error = process.StandardError.ReadToEnd();
        process.WaitForExit();
        Assert.True(process.ExitCode == 0, error);
        return to;
    }

    /// <summary>A read-only root with /proc, /dev and an empty /tmp, as a container runtime gives it.</summary>
    private static string Inside(NetworkSpace pod, string root, int user, string command)
    {
        var script = $"set -e; R={root}; mount --bind $R $R; mount --rbind /proc $R/proc; mount --rbind /dev $R/dev; mount -t tmpfs tmpfs $R/tmp; mount -t tmpfs tmpfs $R/run; mount -o remount,bind,ro $R;"
            + $" set -f; exec env -i PATH=/usr/local/bin:/usr/sbin:/usr/bin DOTNET_ROOT=/usr/share/dotnet DOTNET_EnableDiagnostics=0 chroot --userspec={user}:{user} $R {command}";
        return pod.Run(() =>
        {
            using var process = Process.Start(new ProcessStartInfo("unshare", ["-m", "sh", "-c", script]) { RedirectStandardOutput = true, RedirectStandardError = true })!;
            var error = process.StandardError.ReadToEndAsync();
            var output = process.StandardOutput.ReadToEnd();
            process.WaitForExit();
            return process.ExitCode == 0 ? output : throw new InvalidOperationException($"{command}: {process.ExitCode}: {error.GetAwaiter().GetResult()}");
        });
    }
}
