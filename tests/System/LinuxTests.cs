namespace Mesh.SystemTests;

public sealed class LinuxTests
{
    [Fact]
    public void These_tests_run_on_linux() => Assert.True(OperatingSystem.IsLinux());
}
