#compdef git-mimo mimo
# Completions of git-mimo for zsh, an autoloaded function that git's own completion calls too.

_git-mimo () {
	local current=$PREFIX line
	local -a found before program=(git mimo)
	[[ $service == git ]] || program=($words[1])
	before=("${(@)words[2,CURRENT-1]}")
	(( CURRENT > 2 )) || before=()
	for line in "${(@f)$($program complete -- "${before[@]}" "$current" 2>/dev/null)}"; do
		[[ -n $line ]] || continue
		if [[ $line == :files ]]; then
			[[ $current == --*=* ]] && compset -P '*='
			_files
			return
		fi
		found+=("${${line%%$'\t'*}//:/\\:}:${line#*$'\t'}")
	done
	(( $#found )) || return 1
	case $current in
	(--*=*) compset -P '*='; _describe 'value' found ;;
	(-*) _describe -o 'option' found ;;
	(*) _describe 'git mimo' found ;;
	esac
}

_git-mimo "$@"
