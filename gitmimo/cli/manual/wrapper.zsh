#compdef git-mimo mimo

__mimo_git () { git "$@" }

@ENGINE@

_git-mimo () {
	local current=$PREFIX line
	local -a found before
	before=("${(@)words[2,CURRENT-1]}")
	(( CURRENT > 2 )) || before=()
	for line in "${(@f)$(emulate sh; __mimo_complete "${before[@]}" "$current")}"; do
		[[ -n $line ]] || continue
		if [[ $line == :files ]]; then
			[[ $current == --*=* ]] && compset -P '*='
			_files
			return
		fi
		if [[ $line == *$'\t'* ]]; then
			found+=("${${line%%$'\t'*}//:/\\:}:${line#*$'\t'}")
		else
			found+=("${line//:/\\:}")
		fi
	done
	(( $#found )) || return 1
	case $current in
	(--*=*) compset -P '*='; _describe 'value' found ;;
	(-*) _describe -o 'option' found ;;
	(*) _describe 'git mimo' found ;;
	esac
}

_git-mimo "$@"
