using System.Diagnostics;
using Mesh.Cli.Local;

namespace Mesh.Tests.Cli;

public sealed class ChildProcessTests
{
    [Fact]
    public async Task A_child_outlives_the_thread_that_asked_for_it()
    {
        var folder = Directory.CreateTempSubdirectory("mesh-child-");
        try
        {
            var pipe = Path.Combine(folder.FullName, "pipe");
            using (var made = Process.Start("mkfifo", [pipe])) made.WaitForExit();
            // Both ends, so that neither side waits for the other to open it.
            using var word = new FileStream(pipe, FileMode.Open, FileAccess.ReadWrite);
            ChildProcess? child = null;
            var asking = new Thread(() =>
            {
                child = ChildProcess.Start("reader", Path.Combine(folder.FullName, "log"), "sh", ["-c", "echo here; read line < pipe; exit 7"], new Dictionary<string, string>(), directory: folder.FullName);
                SpinWait.SpinUntil(() => child.LastLines(1) == "here" || child.HasExited);
            });
            asking.Start();
            asking.Join();

            using (child)
            {
                // Had that thread been its parent in the kernel's eyes, PR_SET_PDEATHSIG would have ended it by now.
                word.Write("go on\n"u8);
                word.Flush();
                await child!.WaitForExitAsync(TestContext.Current.CancellationToken);
                Assert.Equal(7, child.ExitCode);
            }
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }
}
