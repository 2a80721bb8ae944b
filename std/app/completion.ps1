# Completes the flags, commands and values of kcptun-client in PowerShell 5 and newer. Usage:
#   kcptun-client completion powershell | Out-String | Invoke-Expression

Register-ArgumentCompleter -Native -CommandName 'kcptun-client' -ScriptBlock {
    param($word, $line, $cursor)
    $program = $line.GetCommandName()
    $ask = @($line.CommandElements | Select-Object -Skip 1 |
        Where-Object { $_.Extent.EndOffset -lt $cursor } | ForEach-Object { "$_" })
    if ("$word".StartsWith('-')) {
        $ask += "$word"
    }

    # The program prints what may come next, each with its meaning after a colon. If that is
    # nothing, names of files are completed.
    & $program @ask '--generate-shell-completion' 2>$null |
        Where-Object { $_ -and $_.StartsWith("$word") } |
        ForEach-Object {
            $text, $meaning = $_ -split ':', 2
            if (-not $meaning) {
                $meaning = $text
            }
            [System.Management.Automation.CompletionResult]::new($text, $text, 'ParameterValue', $meaning)
        }
}
