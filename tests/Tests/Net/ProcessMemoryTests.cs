using Mesh.Net;

namespace Mesh.Tests.Net;

public sealed class ProcessMemoryTests
{
    [Fact]
    public void Only_file_pages_that_nobody_has_written_to_are_given_back()
    {
        string[] smaps =
        [
            "00400000-00401000 r--p 00000000 fe:00 11 /app/mesh-proxy", "Size: 4 kB", "Rss: 4 kB", "Anonymous:             0 kB", "VmFlags: rd mr",
            "00401000-00500000 r-xp 00001000 fe:00 11 /app/mesh-proxy", "Anonymous:             0 kB",
            "00500000-00600000 r--p 00100000 fe:00 11 /app/mesh-proxy", "Anonymous:            12 kB",
            "00600000-00700000 rw-p 00200000 fe:00 11 /app/mesh-proxy", "Anonymous:             0 kB",
            "00700000-00800000 r--p 00000000 00:00 0 ", "Anonymous:             0 kB",
            "00800000-00900000 r--s 00000000 fe:00 12 /app/shared", "Anonymous:             0 kB",
            "7ffd0000-7ffd1000 r-xp 00000000 00:00 0 [vdso]", "Anonymous:             0 kB",
        ];

        Assert.Equal([(0x400000, 0x1000), (0x401000, 0xFF000)], ProcessMemory.CleanFileMappings(smaps).Select(m => ((int)m.Start, (int)m.Length)));
    }
}
