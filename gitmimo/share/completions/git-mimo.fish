# Completions of git-mimo for fish. It belongs in conf.d: for `git mimo` fish reads its own file of git only.
function __mimo_complete
    set -l current (commandline -ct)
    set -l words (commandline -opc)
    set -l program $words[1]
    set -l start 2
    if test "$words[1]" = git
        set program git mimo
        set start (math (contains -i -- mimo $words; or echo 1) + 1)
    end
    set -l found ($program complete -- $words[$start..-1] "$current" 2>/dev/null)
    if test "$found" = ':files'
        __fish_complete_path (string replace -r '^--[^=]*=' '' -- "$current")
        return
    end
    # fish compares with the whole word, so the option is said again before its value
    set -l option (string match -r -- '^--[^=]*=' "$current"; or echo '')
    for line in $found
        echo "$option$line"
    end
end

complete -c git -f -n '__fish_git_using_command mimo' -a '(__mimo_complete)'
complete -c git-mimo -f -a '(__mimo_complete)'
complete -c mimo -f -a '(__mimo_complete)'
